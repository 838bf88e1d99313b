"""What an API server says of a policy by its definition is what the daemon says, as far as a definition can say it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from cel_expr_python import cel
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from clustersim.api.types import schemas
from sentinel.adapters.kubernetes.custom.crd import definition_of
from sentinel.policies.load import PolicySet, load
from sentinel.policies.schema.fields import Duration, PositiveDuration, PositiveShare, Seconds
from tests.policies.test_fuzz import DOCUMENT, paths_in, replaced, values

RULES = Path(__file__).parents[2] / "rules"
CEL = "x-kubernetes-validations"


def schema() -> dict[str, Any]:
    """The schema of a ClusterRolloutPolicy, which may name namespaces as a rule file may."""
    found: dict[str, Any] = definition_of("clusterrolloutpolicies")["spec"]["versions"][0]["schema"]
    spec: dict[str, Any] = found["openAPIV3Schema"]["properties"]["spec"]
    return spec


@cache
def compiled(rule: str) -> Any:
    """A rule of the definition. `for` is a word of CEL, so the API server has it as `__for__`."""
    return cel.NewEnv(variables={"self": cel.Type.DYN}).compile(rule)


def escaped(value: Any) -> Any:
    """A value with the keys by which an API server gives it to its rules."""
    if isinstance(value, dict):
        return {{"for": "__for__"}.get(key, key): escaped(each) for key, each in value.items()}
    return [escaped(each) for each in value] if isinstance(value, list) else value


def broken(node: dict[str, Any], value: Any) -> Iterator[str]:
    """The CEL rules of a definition that a value breaks."""
    for each in node.get(CEL, ()):
        answer = compiled(each["rule"]).eval(data={"self": escaped(value)}).value()
        if answer is not True:
            yield each["message"]
    if isinstance(value, dict):
        children = node.get("properties", {})
        extra = node.get("additionalProperties")
        for key, child in value.items():
            if key in children or isinstance(extra, dict):
                yield from broken(children.get(key, extra), child)
    elif isinstance(value, list):
        for child in value:
            yield from broken(node.get("items", {}), child)


def refusals(node: dict[str, Any], value: Any) -> list[str]:
    """What an API server has against a value: of its schema first, then by the rules."""
    return [cause.message for cause in schemas.validate(node, value)] or list(broken(node, value))


SPEC = schema()
FIELDS = {
    "duration": (Duration, SPEC["properties"]["strategy"]["properties"]["bake"]),
    "positive duration": (PositiveDuration, SPEC["properties"]["strategy"]["properties"]["deadline"]),
    "share": (
        PositiveShare,
        SPEC["properties"]["rules"]["items"]["properties"]["errorRate"]["properties"]["max"],
    ),
    "latency": (Seconds, SPEC["properties"]["rules"]["items"]["properties"]["latency"]["properties"]["mean"]),
}
PIECES = st.sampled_from(
    [*"0123456789.-+%eE wdhms", "ms", "00", "100", "0.5", "5%", "30s", "1h", "\t", "٣", "inf", "nan"]
)
FORMS = st.one_of(
    st.lists(PIECES, max_size=8).map("".join),
    st.from_regex(r"\A(\d{1,2}w)?(\d{1,2}d)?(\d{1,3}h)?(\d{1,3}m)?(\d{1,3}s)?(\d{1,4}ms)?\Z"),
    st.from_regex(r"\A\d{1,13}(\.\d{1,13})? ?%?\Z"),
    st.integers(-2, 200),
    st.floats(-2, 200),
    st.booleans(),
    st.lists(st.booleans(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.booleans(), max_size=2),
)


def refused_by_daemon(kind: Any, value: Any) -> str:
    """What the daemon has against a value, empty where it takes it."""
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        return str(error.errors()[0]["msg"])
    return ""


def only_the_daemon_can_say(value: Any, why: str) -> bool:
    """A sum of units is beyond a pattern, and CEL knows hours as its longest unit."""
    return isinstance(value, str) and (
        "too long" in why or ("too short" in why and bool(re.search("[dw]", value)))
    )


@pytest.mark.parametrize("name", FIELDS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=FORMS)
@example(value=0)
@example(value=1)
@example(value=1.0)
@example(value=True)
@example(value={})
@example(value=[])
@example(value="100%")
@example(value="100.0000000000001%")
@example(value="100.000000000001%")
@example(value="0.0%")
@example(value="-0%")
@example(value="500ms")
@example(value="0.5s500ms")
@example(value="1m1h")
@example(value="1s1s")
@example(value="٣s")
def test_a_value_is_refused_by_both_or_by_neither(name: str, value: Any) -> None:
    """Durations, shares and latencies; text with blanks around it is for rule files alone."""
    kind, node = FIELDS[name]
    if isinstance(value, str) and value != value.strip():
        return
    why = refused_by_daemon(kind, value)
    found = refusals(node, value)
    if only_the_daemon_can_say(value, why):
        return
    assert bool(why) == bool(found), (value, why, found)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(paths_in(DOCUMENT["spec"])), st.one_of(values, FORMS))
def test_what_the_daemon_takes_an_api_server_takes(
    tmp_path: Path, path: tuple[str | int, ...], new: object
) -> None:
    """A good policy with any value at any place: where it is still good, it could be stored, and whole."""
    spec = replaced(DOCUMENT["spec"], path, new)
    file = tmp_path / "policy.yaml"
    file.write_bytes(
        yaml.safe_dump({**DOCUMENT, "spec": spec}, allow_unicode=True).encode("utf-8", "surrogatepass")
    )
    if not isinstance(load([file]), PolicySet) or blanks_in(new):
        return
    stored = without_nulls(spec)
    assert refusals(SPEC, stored) == []
    assert schemas.prune({"properties": {"spec": SPEC}}, {"spec": stored}) == []


@pytest.mark.parametrize(
    "file",
    sorted(f for f in RULES.rglob("*.yaml") if not f.name.endswith(".test.yaml")),
    ids=lambda f: f.name,
)
def test_shipped_policies_break_no_rule_of_the_definition(file: Path) -> None:
    """CEL rules included."""
    for document in yaml.safe_load_all(file.read_text()):
        assert refusals(SPEC, document["spec"]) == []


INVALID = sorted((Path(__file__).parent / "invalid").glob("*.yaml"))


def test_an_api_server_refuses_many_mistakes_itself() -> None:
    """Of the wrong files that parse, more than a third; the daemon's answer stands in the status for the rest."""
    seen = refused = 0
    for file in INVALID:
        try:
            (document,) = yaml.safe_load_all(file.read_text())
            copy = json.loads(json.dumps(document["spec"]))
        except (yaml.YAMLError, ValueError, TypeError, KeyError):
            continue
        seen += 1
        refused += bool(refusals(SPEC, copy) or schemas.prune({"properties": {"spec": SPEC}}, {"spec": copy}))
    assert seen > 100
    assert refused / seen > 1 / 3, f"{refused} of {seen}"


def without_nulls(value: Any) -> Any:
    """As an API server stores it: a null of a field that takes none is left out."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def blanks_in(value: Any) -> bool:
    """Whether some text has blanks around it."""
    if isinstance(value, dict):
        return any(map(blanks_in, value.values()))
    if isinstance(value, list):
        return any(map(blanks_in, value))
    return isinstance(value, str) and value != value.strip()
