"""The importer as a whole: any input ends in a rule file that loads or in sentences."""

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentinel.policies.importing.importer import import_files
from tests.policies.importing import test_alerting, test_argo, test_flagger
from tests.policies.importing.files import policies_of

SAMPLES = (
    test_argo.TEMPLATE,
    test_argo.ROLLOUT,
    test_flagger.WITH_TEMPLATE,
    test_flagger.TEMPLATE,
    test_alerting.RULES,
)


def test_files_are_read_together() -> None:
    """What refers to each other may stand in any file and any order."""
    files = {f"{index}.yaml": text.encode() for index, text in enumerate(reversed(SAMPLES))}
    result = import_files(files)
    assert not result.refused
    assert {policy.name for policy in policies_of(result.text)} == {"shop", "podshop", "0"}


def test_policies_of_one_name_are_told_apart() -> None:
    """Two originals of one name become two policies, each with its own label."""
    result = import_files({"a.yaml": test_alerting.RULES.encode(), "b/a.yaml": test_alerting.RULES.encode()})
    policies = policies_of(result.text)
    assert {policy.name for policy in policies} == {"a", "a-2"}
    assert {policy.match.selector[0].values for policy in policies} == {("a",), ("a-2",)}


def test_a_file_without_anything_known_is_refused_with_what_it_holds() -> None:
    """Whoever gives the wrong file learns what is in it."""
    result = import_files({"x.yaml": b"kind: Service\nmetadata: {name: x}\n"})
    assert result.refused == ["x.yaml: nothing in it can be imported; it contains Service"]


def test_a_helm_template_is_told_to_be_rendered() -> None:
    """A template is no YAML until it is rendered."""
    result = import_files({"x.yaml": b"kind: Canary\nmetadata:\n  name: {{ .Release.Name }}\n"})
    assert any("helm template" in line for line in result.refused)


def test_what_kubectl_prints_is_read() -> None:
    """Lists, and keys without a value."""
    items = [yaml.safe_load(text) for text in (test_argo.ROLLOUT, test_argo.TEMPLATE)]
    items[0]["metadata"]["creationTimestamp"] = None
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items})
    assert len(policies_of(import_files({"x.yaml": text.encode()}).text)) == 1


def test_comments_cannot_be_broken_out_of() -> None:
    """A name with a line break in it stays in its comment."""
    evil = test_argo.TEMPLATE.replace("name: Success Rate", 'name: "a\\n---\\nkind: b"').replace(
        "[0] >=", ".x >="
    )
    result = import_files({"x.yaml": (evil + test_argo.TEMPLATE.partition("  metrics:\n")[2]).encode()})
    assert len(policies_of(result.text)) == 1


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(
        ["{{args.x}}", "{{ target }}", "1m", "$x", "result[0] > 1", "-1", "99", 'up{a="{{args.a}}"}']
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["name", "query", "duration", "x"]), inner, max_size=3),
    ),
    max_leaves=6,
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sample with some of its values, anywhere, exchanged for others or taken out."""
    document = yaml.safe_load(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(1, 4))):
        place = document
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and draw(st.booleans()):
                place = place[key]
                continue
            if isinstance(place, dict) and draw(st.booleans()):
                del place[key]
            else:
                place[key] = draw(values)
            break
    return yaml.safe_dump(document, allow_unicode=True).encode()


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=150)
@given(damaged())
def test_a_damaged_sample_ends_in_a_rule_file_or_in_sentences(data: bytes) -> None:
    """Whatever stands where, what comes out passes the check, or it is said why nothing does."""
    result = import_files({"x.yaml": data})
    assert result.text or result.refused
    if result.text:
        assert len(policies_of(result.text)) == result.policies


@settings(deadline=None, max_examples=100)
@given(st.one_of(st.binary(max_size=200), values.map(lambda value: yaml.safe_dump(value).encode())))
def test_any_file_ends_in_sentences(data: bytes) -> None:
    """Bytes and YAML of any shape raise nothing."""
    result = import_files({"x.yaml": data})
    assert result.refused
