"""The documentation's list of the reasons for which a rollout is held."""

from pathlib import Path

from sentinel.domain.record.holds import HOLDS, HoldReason

PAGE = Path(__file__).parents[2] / "docs" / "holds.md"


def table() -> str:
    """The list, from the table that the decisions are made by."""
    rows = ["| reason | what it means | ended by | proof undoes | calls people |", "|---|---|---|---|---|"]
    rows += [
        f"| `{reason}` | {kind.meaning} | {kind.end} | {'yes' if kind.judged else 'no'} | "
        f"{'no' if kind.calm else 'yes'} |"
        for reason, kind in HOLDS.items()
    ]
    return "\n".join(rows)


def test_every_reason_has_its_kind() -> None:
    """A reason without one could not be held for."""
    assert set(HOLDS) == set(HoldReason)


def test_the_page_lists_every_reason_as_it_is() -> None:
    """What a person reads at night is what the sentinel does."""
    assert table() in PAGE.read_text(), table()
