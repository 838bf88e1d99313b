"""Our own digest of a pod template."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.kubernetes.workloads.digest import bare_template, template_digest

NAMES = st.text(alphabet="abcdef-./", min_size=1, max_size=8)
VALUES = st.recursive(
    st.one_of(st.integers(-9, 9), st.booleans(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)
TEMPLATES = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {"labels": st.dictionaries(NAMES, st.text(max_size=4), max_size=3)}
        ),
        "spec": st.dictionaries(NAMES, VALUES, max_size=4),
    }
)


def reordered(value: Any) -> Any:
    """The same value with every object's keys in the opposite order."""
    if isinstance(value, dict):
        return {key: reordered(item) for key, item in reversed(value.items())}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(TEMPLATES)
def test_the_controllers_label_does_not_count(template: dict[str, Any]) -> None:
    """A ReplicaSet's template has the digest of the Deployment's that it was made of."""
    labels = {**template["metadata"]["labels"], "pod-template-hash": "5d4f8c7b9"}
    held = {**template, "metadata": {"labels": labels, "creationTimestamp": None}}
    assert template_digest(held) == template_digest(template)
    assert bare_template(held) == template


@given(TEMPLATES)
def test_the_order_of_keys_does_not_count(template: dict[str, Any]) -> None:
    """Two servers that write the same template in another order mean the same."""
    assert template_digest(reordered(template)) == template_digest(template)


@given(TEMPLATES, NAMES)
def test_anything_else_counts(template: dict[str, Any], name: str) -> None:
    """A template that differs in anything has another digest."""
    other = {**template, "spec": {**template["spec"], name: "something new"}}
    assert template_digest(other) != template_digest(template)
