"""Pod templates of a pair's members: alike except for the labels by which each member selects its own pods."""

from collections.abc import Mapping
from typing import Any

from sentinel.adapters.kubernetes.api.raw import RawObject, labels, mapping
from sentinel.adapters.kubernetes.workloads.digest import ROLLOUT_HASH, TEMPLATE_HASH, bare_template

Labels = Mapping[str, str]


def selector_of(owner: RawObject) -> dict[str, str]:
    """The labels that a Deployment, or the ReplicaSet that stores its revision, selects its pods by; not the hash."""
    asked = labels(mapping(mapping(owner.get("spec")).get("selector")).get("matchLabels"))
    return {key: value for key, value in asked.items() if key not in (TEMPLATE_HASH, ROLLOUT_HASH)}


def neutral_template(owner: RawObject) -> RawObject:
    """The owner's template without the labels by which it selects its pods: the same for both members."""
    template = bare_template(mapping(owner.get("spec")).get("template"))
    return _relabelled(template, selector_of(owner), {})


def moved_template(template: RawObject, from_: Labels, to: Labels) -> RawObject:
    """A member's template as the other carries it: it asks for the other's pods wherever it asked for its own."""
    return _relabelled(bare_template(template), from_, to)


def _relabelled(template: RawObject, from_: Labels, to: Labels) -> dict[str, Any]:
    metadata = mapping(template.get("metadata"))
    kept = {key: value for key, value in labels(metadata.get("labels")).items() if from_.get(key) != value}
    spec = _selecting(template.get("spec"), from_, to)
    return {**template, "metadata": {**metadata, "labels": {**kept, **to}}, "spec": spec}


def _selecting(value: Any, from_: Labels, to: Labels) -> Any:
    """The value with each label selector in it (of affinities, of topology spreads) as the other member has it."""
    if isinstance(value, list):
        return [_selecting(item, from_, to) for item in value]
    if not isinstance(value, Mapping):
        return value
    return {
        key: _selector(item, from_, to) if key == "labelSelector" else _selecting(item, from_, to)
        for key, item in value.items()
    }


def _selector(selector: Any, from_: Labels, to: Labels) -> Any:
    asked = mapping(selector).get("matchLabels")
    if not isinstance(asked, Mapping):
        return selector
    moved = {key: to.get(key) if from_.get(key) == value else value for key, value in asked.items()}
    return {**selector, "matchLabels": {key: value for key, value in moved.items() if value is not None}}
