"""From answers at two times to spans: pure, so that it can run beside the event loop for thousands of pods."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite
from operator import attrgetter

from sentinel.adapters.prometheus.answers import InstantAnswer, Sample
from sentinel.adapters.prometheus.scrapes import STALE_AFTER, Pace
from sentinel.adapters.prometheus.spans.histograms import as_number, counted_at
from sentinel.domain.evidence import Missing, MissingReason, Reading, Span, Subject
from sentinel.domain.policy.rules import Arms
from sentinel.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class Answers:
    """What was asked at one time: counters by what they count, and what is known of their series.

    `oldest` are the time stamps of each subject's oldest sample, `jobs` the series by job. `forms` are in which form
    each subject's histogram is kept.
    """

    counters: Mapping[str, InstantAnswer]
    oldest: InstantAnswer
    jobs: InstantAnswer
    forms: Mapping[Subject, str] = field(default_factory=dict)
    gathered: dict[object, "_Gathered"] = field(default_factory=dict, compare=False, repr=False)
    """What was made of them: they end one tick and begin the next."""
    weight: int = field(init=False, compare=False, repr=False)
    """How much there is to put together, in samples."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", sum([answer.weight for answer in self.counters.values()]))

    def lacks(self, later: "Answers", arms: Arms) -> bool:
        """Whether a subject that was scraped later is not among these."""
        return not self._subjects(arms) >= later._subjects(arms)

    def with_late(self, again: "Answers", arms: Arms) -> "Answers":
        """These, and what a second answer as of the same time has of subjects that had not come by the first.

        What was known of the others stays: a tick has ended with it.
        """
        known = self._subjects(arms)

        def joined(first: InstantAnswer, second: InstantAnswer) -> InstantAnswer:
            late = tuple(sample for sample in second.samples if subject_of(sample, arms) not in known)
            return replace(first, samples=(*first.samples, *late))

        counters = {
            name: joined(self.counters.get(name, InstantAnswer(())), answer)
            for name, answer in again.counters.items()
        }
        forms = {**again.forms, **self.forms}
        return Answers(
            {**self.counters, **counters},
            joined(self.oldest, again.oldest),
            joined(self.jobs, again.jobs),
            forms,
        )

    def _subjects(self, arms: Arms) -> set[Subject]:
        return set(subjects_of(self.oldest.samples, arms))


_BY_NAME = attrgetter("namespace", "pod", "version")

Naming = Callable[[str, Sample], Iterable[tuple[str, float]]]
"""What a sample of one of the answers counts, each with its value in our units. Raises ValueError."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """How answers become readings: `required` is the counter without which a subject has none, `beside` are those
    that may name other subjects by mistake, `pace` is how often they are scraped: a span whose end is older is stale.

    `stand_in` counts the same as the required one, and `spare` is left out where it is not a number.
    """

    arms: Arms
    naming: Naming
    required: str
    beside: frozenset[str]
    pace: Pace
    stand_in: str = ""
    spare: str = ""

    def spans(self, since: datetime, before: Answers, until: datetime, after: Answers) -> tuple[Span, ...]:
        """Both times side by side, in the order of the subjects' names. Raises ValueError."""
        gathered, paces = self._gathered(before), self._paces(after)
        # At first an old number is still one that was true, and a series may be missing: it was not there yet.
        first, last = _Snapshot(gathered.readings, gathered.missing), self._at_end(after, until, paces)
        subjects = {**last.readings, **last.missing, **first.readings}
        ordered = sorted(subjects, key=_BY_NAME)
        usual = self.pace.seconds if self.pace.known else 0.0
        return tuple([_span(subject, first, last, paces.get(subject, usual)) for subject in ordered])

    def _paces(self, answers: Answers) -> Mapping[Subject, float]:
        """The seconds between two scrapes of the subjects whose jobs differ from the others."""
        if not self.pace.of_jobs:
            return {}
        jobs: dict[Subject, set[str]] = {}
        for sample in answers.jobs.samples:
            jobs.setdefault(subject_of(sample, self.arms), set()).add(sample.labels.get("job", ""))
        return {
            subject: self.pace.of(seen) for subject, seen in jobs.items() if seen & self.pace.of_jobs.keys()
        }

    def _at_end(self, answers: Answers, at: datetime, paces: Mapping[Subject, float]) -> "_Snapshot":
        gathered = self._gathered(answers)
        missing = dict(gathered.missing)
        readings: dict[Subject, Reading] = {}
        for subject, counters in gathered.values.items():
            reading = gathered.readings.get(subject)
            if reading is not None:
                age = (at - reading.observed_at).total_seconds()
                if age > STALE_AFTER * paces.get(subject, self.pace.seconds):
                    _note(missing, subject, MissingReason.STALE, f"the last sample is {age:.0f} s old")
                else:
                    readings[subject] = reading
            elif self.required not in counters or subject not in gathered.scraped:
                if self.beside.issuperset(counters):
                    _note(missing, subject, MissingReason.LABELS_DIFFER, f"it has no {self.required}")
                else:
                    _note(missing, subject, MissingReason.NO_DATA, f"no series of {self.required}")
                readings[subject] = Reading(at, counters)
        return _Snapshot(readings, missing)

    def _gathered(self, answers: Answers) -> "_Gathered":
        key = (self.arms, self.naming, self.required)
        known = answers.gathered.get(key)
        if known is None:
            known = answers.gathered[key] = self._gather(answers)
        return known

    def _gather(self, answers: Answers) -> "_Gathered":
        """The counters of each subject by name, and what spoils some of them."""
        arms, naming, plain = self.arms, self.naming, self.naming is as_is
        missing = {
            subject: Missing(MissingReason.DUPLICATE_SERIES, str(subject), f"scraped by the jobs {jobs}")
            for subject, jobs in _seen_twice(answers.jobs.samples, arms).items()
        }
        values: dict[Subject, dict[str, float]] = {}
        for counter, answer in answers.counters.items():
            known, subjects = values.get, subjects_of(answer.samples, arms)
            for subject, sample in zip(subjects, answer.samples, strict=True):
                counters = known(subject)
                if counters is None:
                    counters = values[subject] = {}
                usable = isfinite(sample[1])
                if plain and usable and counter not in counters:  # as nearly all are
                    counters[counter] = sample[1]
                    continue
                for name, value in naming(counter, sample):
                    if usable and name not in counters:
                        counters[name] = value
                    elif not usable and name == self.spare:
                        continue
                    elif not usable:
                        _note(missing, subject, MissingReason.NOT_A_NUMBER, f"{name} is {sample.value}")
                    else:
                        _note(missing, subject, MissingReason.DUPLICATE_SERIES, f"two series count {name}")
        for counters in values.values():
            if self.stand_in in counters and not self.beside.issuperset(counters):
                counters.setdefault(self.required, counters[self.stand_in])
        stamped = [sample for sample in answers.oldest.samples if isfinite(sample.value)]
        scraped = {
            subject: sample.value for subject, sample in zip(subjects_of(stamped, arms), stamped, strict=True)
        }
        required, form_of = self.required, answers.forms.get
        readings = {
            subject: Reading(_moment(scraped[subject]), counters, form_of(subject, ""))
            for subject, counters in values.items()
            if required in counters and subject in scraped and subject not in missing
        }
        return _Gathered(values, missing, scraped, readings)


@dataclass(frozen=True, slots=True)
class _Gathered:
    """Each subject's counters by name, what spoils some, when each was scraped, and those that are whole."""

    values: Mapping[Subject, Mapping[str, float]]
    missing: Mapping[Subject, Missing]
    scraped: Mapping[Subject, float]
    readings: Mapping[Subject, Reading]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """Every subject's counters at one time, and what is wrong with those of some."""

    readings: Mapping[Subject, Reading]
    missing: Mapping[Subject, Missing]


def as_is(counter: str, sample: Sample) -> Iterable[tuple[str, float]]:
    """The naming of plain counters."""
    return ((counter, sample.value),)


@lru_cache(maxsize=64)
def bounds_in_seconds(unit: float, edges: tuple[float, ...]) -> Naming:
    """The naming of a histogram: buckets by their upper bound in seconds, the sum in seconds.

    Bounds are written in one way, whatever the exporter's. Histograms that have no bounds are read at `edges`. The same
    for the same arguments, as what was gathered is kept by it.
    """

    def naming(counter: str, sample: Sample) -> Iterable[tuple[str, float]]:
        labels, value, buckets = sample
        if buckets is not None:
            return counted_at(edges, buckets, unit)
        if counter == "bucket":
            bound = _in_seconds(labels.get("le", ""), unit)
            if bound is None:
                raise ValueError(f"the series {dict(labels)} is not a bucket: its label le is not a number")
            return ((bound, value),)
        return ((counter, value * unit if counter == "sum" else value),)

    return naming


def subject_of(sample: Sample, arms: Arms) -> Subject:
    """Whose sample it is."""
    labels, version = sample.labels, arms.version_label
    member = labels.get(version or arms.pod_label, "")
    return _subject(labels.get(arms.namespace_label, ""), member, bool(version))


def subjects_of(samples: Iterable[Sample], arms: Arms) -> list[Subject]:
    """Whose samples they are, one by one: an answer has hundreds."""
    namespace, member, versions = arms.namespace_label, arms.subject_label, bool(arms.version_label)
    return [_subject(labels.get(namespace, ""), labels.get(member, ""), versions) for labels, _, _ in samples]


@lru_cache(maxsize=16_384)
def _subject(namespace: str, member: str, versions: bool) -> Subject:
    """Kept, since a histogram names a pod in every one of its buckets, tick after tick."""
    return Subject(namespace, version=member) if versions else Subject(namespace, pod=member)


@lru_cache(maxsize=16_384)
def _moment(stamp: float) -> datetime:
    """Kept, since what ends one tick is often there at the next: one that is asked in between sees no new scrape."""
    return datetime.fromtimestamp(stamp, UTC)


@lru_cache(maxsize=1024)
def _in_seconds(text: str, unit: float) -> str | None:
    number = as_number(text)
    if number is None:
        return None
    bound = number * unit
    return "+Inf" if bound == float("inf") else f"{bound:.12g}"


def _span(subject: Subject, first: _Snapshot, last: _Snapshot, every: float) -> Span:
    after = last.readings.get(subject)
    missing = None
    if last.missing or first.missing:
        missing = last.missing.get(subject) or first.missing.get(subject)
    if missing is None and after is None:
        missing = Missing(MissingReason.NO_DATA, str(subject), "the series ended")
    return Span(subject, first.readings.get(subject), after, missing, every=every)


def _note(missing: dict[Subject, Missing], subject: Subject, reason: MissingReason, detail: str) -> None:
    """The first thing that is wrong with a subject is the one told."""
    missing.setdefault(subject, Missing(reason, str(subject), detail))


def _seen_twice(samples: Sequence[Sample], arms: Arms) -> dict[Subject, str]:
    """Subjects with a pod that several jobs scrape, with these jobs. Series of no pod cannot tell."""
    subjects = subjects_of(samples, arms)
    if len(set(subjects)) == len(subjects):
        return {}
    pods = [sample.labels.get(arms.pod_label, "") for sample in samples]
    whose = list(zip(subjects, pods, strict=True))
    jobs: dict[tuple[Subject, str], list[str]] = {}
    for (subject, pod), sample in zip(whose, samples, strict=True):
        if pod:
            jobs.setdefault((subject, pod), []).append(sample.labels.get("job", ""))
    return {subject: " and ".join(sorted(seen)) for (subject, _), seen in jobs.items() if len(seen) > 1}
