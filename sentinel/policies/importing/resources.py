"""Reads files into the resources that can be imported, whatever else they contain."""

from collections.abc import Iterable, Iterator

from sentinel.policies.importing.draft import Values
from sentinel.policies.importing.shapes import items, mapping, text
from sentinel.policies.mistakes import PolicyError
from sentinel.policies.yaml.document import read_documents
from sentinel.policies.yaml.nodes import Document
from sentinel.values import dataclass

ALERTING = "alerting rules"
"""The kind given to Prometheus' own rule files, which do not name one."""

IMPORTED_KINDS = frozenset(
    {
        "AnalysisTemplate",
        "ClusterAnalysisTemplate",
        "AnalysisRun",
        "Experiment",
        "Rollout",
        "Canary",
        "MetricTemplate",
        "PrometheusRule",
        ALERTING,
    }
)
_LISTS = frozenset({"List", "RolloutList", "AnalysisTemplateList", "CanaryList", "PrometheusRuleList"})


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a file; `place` is its file and line."""

    kind: str
    name: str
    namespace: str
    value: Values
    place: str

    @property
    def spec(self) -> Values:
        """Its specification."""
        return mapping(self.value.get("spec"))

    @property
    def title(self) -> str:
        """What it is, for people."""
        return f"{self.kind} {self.name}".strip()


def read_resources(data: bytes, file: str) -> tuple[list[Manifest], list[PolicyError]]:
    """The resources of one file, and what is wrong with it as YAML. Never raises."""
    documents, errors = read_documents(data, file, nulls=True)
    if b"{{" in data and any("not YAML" in error.message or "not text" in error.message for error in errors):
        hint = "if it is a Helm template, render it first: helm template ... > rendered.yaml"
        errors = [*errors, PolicyError(file, 0, 0, "", "contains {{ }} outside quotes", hint)]
    found = [resource for document in documents for resource in _resources(document)]
    return found, errors


def _resources(document: Document) -> Iterator[Manifest]:
    value = mapping(document.value)
    place = f"{document.file}:{document.root.position.line}"
    if text(value.get("kind")) in _LISTS:
        yield from (_resource(item, place) for item in _flat(items(value.get("items"))))
    else:
        yield _resource(value, place)


def _flat(values: Iterable[Values]) -> Iterator[Values]:
    """Members of lists in lists, one level deep: kubectl writes no deeper ones."""
    for value in values:
        if text(value.get("kind")) in _LISTS:
            yield from items(value.get("items"))
        else:
            yield value


def _resource(value: Values, place: str) -> Manifest:
    kind = text(value.get("kind"))
    if not kind and isinstance(value.get("groups"), list):
        return Manifest(ALERTING, "", "", {"spec": value}, place)
    metadata = mapping(value.get("metadata"))
    name = text(metadata.get("name")) or text(metadata.get("generateName")).rstrip("-")
    return Manifest(kind, name, text(metadata.get("namespace")), value, place)
