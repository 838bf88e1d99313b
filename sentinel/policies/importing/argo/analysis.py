"""Argo Rollouts: analysis templates become policies of `query` rules, Rollouts policies with steps and those rules."""

from collections.abc import Iterable, Mapping

from sentinel.policies.importing.argo.arguments import Arguments, declared_in
from sentinel.policies.importing.argo.jobs import is_job, put_gate, steps_before
from sentinel.policies.importing.argo.metric import rule_of
from sentinel.policies.importing.argo.steps import steps_of
from sentinel.policies.importing.draft import (
    Draft,
    ImportRefusedError,
    Values,
    chosen_by_label,
    named,
    pod_rules,
    policy_name,
    unique,
)
from sentinel.policies.importing.resources import Manifest
from sentinel.policies.importing.shapes import items, mapping, text
from sentinel.policies.importing.strategy import steps_in
from sentinel.values import dataclass

TEMPLATE_KINDS = ("AnalysisTemplate", "ClusterAnalysisTemplate")


@dataclass(slots=True)
class Templates:
    """All analysis templates of an import; `used` are those that a Rollout or another template names."""

    by_name: dict[tuple[str, str], Manifest]
    used: set[tuple[str, str]]

    @classmethod
    def of(cls, resources: Iterable[Manifest]) -> "Templates":
        """Find them, and what refers to them; of templates that name each other in a circle the first is unused."""
        resources = list(resources)
        templates = cls({(one.kind, one.name): one for one in resources if one.kind in TEMPLATE_KINDS}, set())
        named = [key for one in resources if one.kind == "Rollout" for key in _named_by_rollout(one)]
        inner = {key for own in templates.by_name for key in templates.names_of(own) if key != own}
        covered = {key for start in named for key in templates.closure(start)}
        roots: set[tuple[str, str]] = set()
        for key in sorted(templates.by_name, key=lambda key: key in inner):
            if key not in covered:
                roots.add(key)
                covered |= templates.closure(key).keys()
        templates.used |= templates.by_name.keys() - roots
        return templates

    def names_of(self, key: tuple[str, str]) -> list[tuple[str, str]]:
        """The templates that one refers to."""
        return [_key(reference) for reference in items(self.by_name[key].spec.get("templates"))]

    def closure(self, key: tuple[str, str]) -> dict[tuple[str, str], Manifest]:
        """A template and those that it refers to, in order."""
        found: dict[tuple[str, str], Manifest] = {}
        waiting = [key]
        while waiting:
            current = waiting.pop(0)
            if current in self.by_name and current not in found:
                found[current] = self.by_name[current]
                waiting += self.names_of(current)
        return found


def draft_of_template(resource: Manifest, templates: Templates, given: Mapping[str, str]) -> Draft:
    """The policy of a template, or of an AnalysisRun, that no Rollout of the import refers to."""
    draft = Draft(policy_name(resource.name), f"the {resource.title} ({resource.place})")
    chosen_by_label(draft, resource.namespace)
    parts = list(templates.closure((resource.kind, resource.name)).values()) or [resource]
    _missing(draft, templates, items(resource.spec.get("templates")))
    _add_metrics(draft, parts, [], resource.spec, given, [])
    return draft


def draft_of_rollout(resource: Manifest, templates: Templates, given: Mapping[str, str]) -> Draft:
    """The policy of a Rollout: its steps, and the metrics of the templates that its analyses name."""
    draft = Draft(policy_name(resource.name), f"the {resource.title} ({resource.place})")
    named(draft, _deployment_of(resource), resource.namespace)
    strategy = mapping(resource.spec.get("strategy"))
    steps_of(draft, strategy, resource.spec, _deployment_of(resource))
    if "names" in draft.match:
        draft.notes.append(
            "It guards the Deployment with that name. If it does not exist yet, convert the Rollout to a Deployment: "
            "the steps pace its rolling update."
        )
    for analysis in analyses_of(strategy):
        references = items(analysis.get("templates")) or _old_reference(analysis)
        _missing(draft, templates, references)
        parts = [one for reference in references for one in templates.closure(_key(reference)).values()]
        asked_at = steps_before(strategy, analysis, len(steps_in(draft)))
        _add_metrics(draft, parts, declared_in(analysis), analysis, given, asked_at)
    if not draft.rules:
        draft.rules = pod_rules()
        draft.rules[0].notes.append("Added: no metric judges this rollout, so the state of its pods does.")
    return draft


def _deployment_of(resource: Manifest) -> str:
    """The Deployment that a Rollout takes its pod template from, else the one that it should become."""
    reference = mapping(resource.spec.get("workloadRef"))
    return text(reference.get("name")) if reference.get("kind") == "Deployment" else resource.name


def analyses_of(strategy: Values) -> list[Values]:
    """Every analysis of a Rollout's strategy: in the background, in steps, before and after the switch."""
    canary, blue_green = mapping(strategy.get("canary")), mapping(strategy.get("blueGreen"))
    steps = (mapping(step.get("analysis")) for step in items(canary.get("steps")))
    found = (
        mapping(canary.get("analysis")),
        *steps,
        mapping(blue_green.get("prePromotionAnalysis")),
        mapping(blue_green.get("postPromotionAnalysis")),
    )
    return [analysis for analysis in found if analysis]


def _add_metrics(
    draft: Draft,
    parts: list[Manifest],
    declared: list[Values],
    within: Values,
    given: Mapping[str, str],
    asked_at: list[int],
) -> None:
    dry = {text(one.get("metricName")) for one in items(within.get("dryRun"))}
    dry |= {text(one.get("metricName")) for part in parts for one in items(part.spec.get("dryRun"))}
    for part in parts:
        arguments = Arguments()
        arguments.take(declared_in(part.spec))
        arguments.take(declared)
        arguments.give(given)
        for metric in items(part.spec.get("metrics")):
            _add_metric(draft, metric, part, arguments, dry, asked_at)


def _add_metric(
    draft: Draft, metric: Values, part: Manifest, arguments: Arguments, dry: set[str], asked_at: list[int]
) -> None:
    name = text(metric.get("name")) or "without a name"
    if name in dry or ".*" in dry:
        draft.notes.append(f"Left out: the metric {name}, a dry run in Argo, which decides nothing.")
        return
    try:
        if is_job(metric):
            put_gate(draft, metric, arguments, asked_at)
            return
        rule = rule_of(metric, arguments)
    except ImportRefusedError as error:
        arguments.missed.clear()
        draft.lost.append(f"metric {name} of {part.title}: {error}.")
        return
    same = next((one for one in draft.rules if one.body == rule.body), None)
    if same is None:
        rule.name = unique(rule.name, (one.name for one in draft.rules))
        draft.rules.append(rule)


def _missing(draft: Draft, templates: Templates, references: Iterable[Values]) -> None:
    for reference in references:
        kind, name = _key(reference)
        if (kind, name) not in templates.by_name:
            draft.lost.append(
                f"{kind} {name}: it is not among the given files; import it together with this one."
            )


def _named_by_rollout(resource: Manifest) -> Iterable[tuple[str, str]]:
    for analysis in analyses_of(mapping(resource.spec.get("strategy"))):
        yield from map(_key, items(analysis.get("templates")) or _old_reference(analysis))


def _old_reference(analysis: Values) -> list[Values]:
    """Before version 0.8 an analysis named one template."""
    return [analysis] if text(analysis.get("templateName")) else []


def _key(reference: Values) -> tuple[str, str]:
    kind = TEMPLATE_KINDS[1] if reference.get("clusterScope") is True else TEMPLATE_KINDS[0]
    return kind, text(reference.get("templateName"))
