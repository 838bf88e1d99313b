"""What a rule measured, read from the numbers of a decision."""

import pytest

from sentinel.domain.verdict import Number, RuleFigures, figures_of

ERRORS: dict[str, Number] = {
    "candidate_total": 1000,
    "candidate_errors": 123,
    "baseline_total": 9000,
    "baseline_errors": 9,
    "limit": 0.05,
    "odds": 4000.0,
}
LATENCY: dict[str, Number] = {"candidate_total": 25, "candidate_quantile": 2.0, "limit": 0.5, "odds": 3.0}


def test_a_rate_is_shown_with_its_counts() -> None:
    """Both arms' shares with what they are of, the limit in percent, and the evidence as odds."""
    figures = RuleFigures("errors", ERRORS)
    assert figures.arm("candidate") == "12.3% (123 of 1,000 requests failed)"
    assert figures.arm("baseline") == "0.1% (9 of 9,000 requests failed)"
    assert (figures.limit, figures.evidence) == ("5%", "4,000:1")


def test_a_latency_is_shown_in_its_unit() -> None:
    """The limit has the unit of what it limits; an arm that saw nothing is left out."""
    figures = RuleFigures("latency", LATENCY)
    assert (figures.arm("candidate"), figures.arm("baseline")) == ("2 s (25 requests)", "")
    assert figures.limit == "500 ms"


@pytest.mark.parametrize("arm", ["candidate", "baseline"])
def test_an_arm_without_requests_has_no_figures(arm: str) -> None:
    """Nothing measured is nothing shown, and no zero."""
    figures = RuleFigures("errors", {f"{arm}_total": 0, f"{arm}_errors": 0, "limit": 0.05})
    assert (figures.measure(arm), figures.arm(arm), figures.evidence) == (None, "", "")


def test_a_decision_s_numbers_are_told_apart_by_their_rule() -> None:
    """The rule's name is what stands before the last dot; numbers of one rule alone have none."""
    named = {f"error.rate.{name}": value for name, value in ERRORS.items()}
    assert figures_of({**named, "limit": 1}) == (
        RuleFigures("error.rate", ERRORS),
        RuleFigures("", {"limit": 1}),
    )
