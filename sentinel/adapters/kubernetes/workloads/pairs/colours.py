"""The two colours of a blue-green pair, by what is written: which one serves, and whether the other has news."""

from collections.abc import Mapping, Sequence

from sentinel.adapters.kubernetes.api.raw import RawObject, labels, mapping, text
from sentinel.adapters.kubernetes.workloads.pairs.members import apart
from sentinel.adapters.kubernetes.workloads.trim import WorkloadEntry
from sentinel.domain.workload.pairing import Pairing
from sentinel.values import dataclass

COLOURS_ANNOTATION = "rollback-sentinel.dev/colours"
"""On the Service: what each colour had when requests were moved last, or when an undo decided that they are not."""
REPLICAS_ANNOTATION = "rollback-sentinel.dev/replicas"
"""On a colour that was scaled to 0: how many replicas it had."""
UNCONFIRMED_ANNOTATION = "rollback-sentinel.dev/unconfirmed"
"""On what we wrote, until it was looked at again: what to put back if what it relied on was changed meanwhile. Of a
Service this is what was noted of the colours before, of a colour how many replicas it had."""
UNDONE_ANNOTATION = "rollback-sentinel.dev/undone"
"""On a Service: what the colour has that an undo took the requests from, until we send requests to a release again."""
_NOTHING = "-"
_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Colours:
    """A Service and the Deployments that take turns behind it, blue first; one that does not exist is left out.

    `pairing` names them. `preview` is the Service that points at what does not serve; None without one, or where it
    does not exist. `unreadable` is why Services cannot be read, empty where they can; `service` is empty without one.
    """

    pairing: Pairing
    service: RawObject
    members: tuple[WorkloadEntry, ...]
    preview: RawObject | None = None
    unreadable: str = ""

    @property
    def serving(self) -> WorkloadEntry | None:
        """The colour whose pods alone the Service selects; None where that is not one."""
        selected = [one for one in self.members if selects(selector_of_service(self.service), one)]
        return selected[0] if len(selected) == 1 else None

    @property
    def other(self) -> WorkloadEntry | None:
        """The colour that does not serve."""
        serving = self.serving
        if serving is None:
            return None
        return next((one for one in self.members if one is not serving), None)

    @property
    def noted(self) -> Mapping[str, str]:
        """What each colour had when requests were moved last; empty where we never did."""
        annotations = mapping(mapping(self.service.get("metadata")).get("annotations"))
        pairs = (part.partition("=") for part in text(annotations.get(COLOURS_ANNOTATION)).split(","))
        return {name: digest for name, _, digest in pairs if digest}

    @property
    def unconfirmed(self) -> bool:
        """Whether something of ours has yet to be looked at again."""
        return unconfirmed_of(self.service) is not None or any(
            UNCONFIRMED_ANNOTATION in one.annotations for one in self.members
        )

    def has_news(self, colour: WorkloadEntry) -> bool:
        """Whether a colour's template is another one than when requests were moved last."""
        return self.noted.get(colour.key.name) != short_digest(colour)

    def done_with(self, colour: WorkloadEntry) -> bool:
        """Whether a colour has nothing to take over with: no news since we noted it, or what serves has."""
        serving = self.serving
        same = serving is not None and short_digest(serving) == short_digest(colour)
        return bool(self.noted) and (same or not self.has_news(colour))

    def problem(self) -> str:
        """Why requests cannot be moved, with what must be changed; empty where they can."""
        name = self.pairing.name
        missing = [
            wanted for wanted in self.pairing.members if wanted not in [one.key.name for one in self.members]
        ]
        if missing:
            return f"there is no Deployment {missing[0]}, a colour of Service {name}"
        return self.unclear() or self._without_label(self.service) or self._no_preview()

    def unclear(self) -> str:
        """Why it is not clear which colour serves; empty where it is."""
        name, both = self.pairing.name, " and ".join(self.pairing.members)
        if not self.service:
            return (
                f"Services cannot be read: {self.unreadable}"
                if self.unreadable
                else f"there is no Service {name}"
            )
        selector = selector_of_service(self.service)
        if not selector:
            return f"Service {name} has no selector: it must select the pods of one of {both}"
        selected = [one for one in self.members if selects(selector, one)]
        if len(selected) > 1:
            return (
                f"Service {name} selects the pods of {both} at once: "
                "add a label to its selector that has a different value in each"
            )
        if not selected:
            return f"Service {name} selects the pods of neither {' nor '.join(self.pairing.members)}"
        return apart(self.members[0], self.members[1]) if len(self.members) > 1 else ""

    def _no_preview(self) -> str:
        name = self.pairing.preview
        if not name:
            return ""
        if self.preview is None:
            return f"there is no preview Service {name}"
        if not selector_of_service(self.preview):
            return f"the preview Service {name} has no selector"
        return self._without_label(self.preview)

    def _without_label(self, service: RawObject) -> str:
        """Why a Service could not be pointed at each of the colours."""
        lacking = [
            (key, one.key.name)
            for key in selector_of_service(service)
            for one in self.members
            if key not in one.template.labels
        ]
        if not lacking:
            return ""
        key, member = lacking[0]
        return (
            f"Service {service_name(service)} selects by {key}, a label that the pods of {member} do not have"
        )


def selector_of_service(service: RawObject) -> dict[str, str]:
    """The labels that a Service selects pods by."""
    return labels(mapping(service.get("spec")).get("selector"))


def selects(selector: Mapping[str, str], colour: WorkloadEntry) -> bool:
    """Whether a selector selects the pods of a colour; an empty one selects none."""
    return bool(selector) and all(colour.template.labels.get(key) == value for key, value in selector.items())


def pointed_at(service: RawObject, colour: WorkloadEntry) -> dict[str, str]:
    """The Service's selector with the values of this colour's pods."""
    return {key: colour.template.labels.get(key, "") for key in selector_of_service(service)}


def short_digest(colour: WorkloadEntry) -> str:
    """What of a template's digest is noted."""
    assert colour.member is not None, "colours are trimmed as members"
    return colour.member.neutral[:_DIGITS]


def note_of(members: Sequence[WorkloadEntry]) -> str:
    """What is noted of these colours, as the annotation has it."""
    return ",".join(f"{one.key.name}={short_digest(one)}" for one in members)


def unconfirmed_of(service: RawObject) -> str | None:
    """What was noted of the colours before a switch that was not looked at again; None without such a switch."""
    annotations = mapping(mapping(service.get("metadata")).get("annotations"))
    if UNCONFIRMED_ANNOTATION not in annotations:
        return None
    return text(annotations[UNCONFIRMED_ANNOTATION]).removeprefix(_NOTHING)


def unconfirmed(before: str) -> str:
    """The same as the annotation has it."""
    return before or _NOTHING


def service_name(service: RawObject) -> str:
    """The Service's name."""
    return text(mapping(service.get("metadata")).get("name"))


def ready_pods(colour: WorkloadEntry) -> int:
    """The ready pods of a colour's present template, 0 until its controller has seen it."""
    assert colour.member is not None, "colours are trimmed as members"
    seen = colour.observed_generation >= colour.generation
    return min(colour.member.ready, colour.updated) if seen else 0
