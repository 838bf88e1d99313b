"""Imports files of Argo Rollouts, Flagger and Prometheus: all of them together become one rule file."""

from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import PurePath

from sentinel.policies.importing.alerting import draft_of_alerts
from sentinel.policies.importing.argo import analysis as argo
from sentinel.policies.importing.draft import Draft, ImportRefusedError, rename, unique
from sentinel.policies.importing.flagger import canary as flagger
from sentinel.policies.importing.resources import IMPORTED_KINDS, Manifest, read_resources
from sentinel.policies.importing.writing import mistakes, settle, written
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Choices:
    """What the files do not say: values of Argo's arguments, and the mesh provider that Flagger runs with.

    `namespaces`: alerting rules, which do not name workloads, are about the Deployments in these namespaces.
    """

    arguments: Mapping[str, str] = field(default_factory=dict)
    provider: str | None = None
    namespaces: tuple[str, ...] = ()


@dataclass(slots=True)
class Imported:
    """A rule file, empty when the files contain nothing that can be imported.

    `notes` say what differs or was left out. `refused` are the checks that are lost, and the files without anything to
    import: people must know them.
    """

    text: str = ""
    policies: int = 0
    rules: int = 0
    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def import_files(files: Mapping[str, bytes], choices: Choices | None = None) -> Imported:
    """The rule file of these files, given by name and content. Never raises for the contents of a file."""
    choices = choices or Choices()
    result = Imported()
    resources: list[Manifest] = []
    for file, data in files.items():
        found, errors = read_resources(data, file)
        result.refused += map(str, errors)
        known = [one for one in found if one.kind in IMPORTED_KINDS]
        resources += known
        others = sorted({one.kind or "a document without kind" for one in found} - IMPORTED_KINDS)
        if known and others:
            result.notes.append(f"{file}: left out: {', '.join(others)}")
        elif not known and not errors:
            what = f"it contains {', '.join(others)}" if others else "it is empty"
            result.refused.append(f"{file}: nothing in it can be imported; {what}")
    _collect(result, list(_drafts(resources, choices, result)))
    return result


def _collect(result: Imported, drafts: Iterable[Draft]) -> None:
    texts: list[str] = []
    taken: list[str] = []
    for draft in drafts:
        settle(draft)
        wrong = mistakes(draft)
        result.refused += [f"{draft.origin}: {lost}" for lost in draft.lost]
        if wrong:
            none = "none of its checks has an equivalent" if not draft.rules and not draft.alerts else wrong
            result.refused.append(f"{draft.origin} cannot be imported: {none}")
            continue
        rename(draft, unique(draft.name, taken))
        taken.append(draft.name)
        texts.append(written(draft))
        result.rules += len(draft.rules) + len(draft.alerts)
        parts = (*draft.remarks, *draft.strategy_notes)
        result.notes += [f"{draft.origin}: {note}" for note in parts]
        result.notes += [
            f"{draft.origin}: {part.name}: {note}"
            for part in (*draft.rules, *draft.alerts)
            for note in part.notes
        ]
    result.policies = len(taken)
    result.text = "".join(texts).removeprefix("---\n")


def _drafts(resources: list[Manifest], choices: Choices, result: Imported) -> Iterable[Draft]:
    templates = argo.Templates.of(resources)
    metric_templates = flagger.templates_by_name(resources)
    used = {name for one in resources if one.kind == "Canary" for name in flagger.names_of_templates(one)}
    context = _Context(templates, metric_templates, used, choices)
    for resource in resources:
        try:
            draft = context.draft(resource)
        except ImportRefusedError as error:
            result.refused.append(f"{error}")
            continue
        if draft is not None:
            yield draft


@dataclass(frozen=True, slots=True)
class _Context:
    """What the drafts of one import share."""

    templates: argo.Templates
    metric_templates: dict[str, Manifest]
    used: set[str]
    choices: Choices

    def draft(self, resource: Manifest) -> Draft | None:
        """The policy of one resource, None for a part of another's. Raises ImportRefusedError."""
        match resource.kind:
            case "Rollout":
                return argo.draft_of_rollout(resource, self.templates, self.choices.arguments)
            case "Canary":
                return flagger.draft_of_canary(resource, self.metric_templates, self.choices.provider)
            case "MetricTemplate":
                return None if resource.name in self.used else flagger.draft_of_template(resource)
            case "Experiment":
                raise ImportRefusedError(
                    f"{resource.title} ({resource.place}) has no equivalent; import only its analysis templates"
                )
            case "PrometheusRule" | "alerting rules":
                file = PurePath(resource.place.rpartition(":")[0]).stem
                return draft_of_alerts(resource, resource.name or file, self.choices.namespaces)
        if (resource.kind, resource.name) in self.templates.used:
            return None
        return argo.draft_of_template(resource, self.templates, self.choices.arguments)
