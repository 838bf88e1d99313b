"""Reads files of rule tests: all of them, or everything that is wrong with any."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path as FilePath

from pydantic import ValidationError

from sentinel.domain.record.entries import Action
from sentinel.domain.workload.own_steps import OwnStep
from sentinel.policies.explain import mistakes_of
from sentinel.policies.load import TEST_SUFFIXES, read_bytes
from sentinel.policies.mistakes import InputError, PolicyError
from sentinel.policies.ruletest.cases import (
    Arm,
    Case,
    CaseFile,
    CaseWorkload,
    Expected,
    ExpectedDecision,
    ExpectedVerdict,
    InputAlert,
    InputAnswer,
    InputSeries,
    PodFate,
)
from sentinel.policies.ruletest.schema import (
    KIND,
    CaseFileSpec,
    CaseSpec,
    ExpectSpec,
    FiringAlertSpec,
    OwnStepSpec,
    RevisionSpec,
)
from sentinel.policies.yaml.document import read_documents
from sentinel.policies.yaml.nodes import Document


def load_tests(paths: Iterable[FilePath | str]) -> tuple[list[CaseFile], list[PolicyError]]:
    """The tests of these files, and of the `*.test.yaml` files in these folders and below, and all mistakes.

    Never raises for what a file holds.
    """
    found: list[CaseFile] = []
    errors: list[PolicyError] = []
    for path in map(FilePath, paths):
        files = _in_folder(path) if path.is_dir() else [path]
        if not files:
            errors.append(PolicyError(str(path), 0, 0, "", "holds no tests", "tests end in .test.yaml"))
        for file in files:
            loaded, mistakes = _file(file)
            found.extend(loaded)
            errors.extend(mistakes)
    return found, sorted(set(errors))


def _in_folder(folder: FilePath) -> list[FilePath]:
    return sorted(
        p for p in folder.rglob("*") if p.name.endswith(TEST_SUFFIXES) and not p.name.startswith(".")
    )


def _file(file: FilePath) -> tuple[list[CaseFile], list[PolicyError]]:
    data, errors = read_bytes(file)
    documents, mistakes = read_documents(data, str(file)) if not errors else ([], [])
    errors = [*errors, *mistakes]
    if not errors and len(documents) != 1:
        errors.append(PolicyError(str(file), 0, 0, "", f"holds {len(documents)} documents", "one to a file"))
    if errors:
        return [], errors
    spec, errors = _validated(documents[0])
    return ([_case_file(file, spec, documents[0])] if spec else []), errors


def _validated(document: Document) -> tuple[CaseFileSpec | None, list[PolicyError]]:
    value = document.value
    if not isinstance(value, dict):
        mistake = InputError("is not a mapping of keys to values", f"begin with kind: {KIND}")
        return None, [document.error((), mistake)]
    try:
        return CaseFileSpec.model_validate(value), []
    except ValidationError as error:
        return None, [document.error(at, mistake) for at, mistake in mistakes_of(error, CaseFileSpec)]


def _case_file(file: FilePath, spec: CaseFileSpec, document: Document) -> CaseFile:
    cases = tuple(
        _case(test, spec, document.position(("tests", index)).line) for index, test in enumerate(spec.tests)
    )
    rules = spec.rules or (_rules_beside(file),)
    return CaseFile(str(file), tuple(str(file.parent / rule) for rule in rules), cases)


def _rules_beside(file: FilePath) -> str:
    suffix = next((suffix for suffix in TEST_SUFFIXES if file.name.endswith(suffix)), "")
    return file.name.removesuffix(suffix) + suffix.removeprefix(".test")


def _case(spec: CaseSpec, of: CaseFileSpec, line: int) -> Case:
    shape = spec.workload
    return Case(
        name=spec.name,
        line=line,
        policy=spec.policy,
        interval=spec.interval or of.interval,
        until=spec.until,
        shape=CaseWorkload(
            shape.kind,
            shape.namespace,
            shape.name,
            shape.labels,
            shape.annotations,
            shape.replicas,
            shape.max_surge,
            shape.max_unavailable,
            shape.ready_after,
            shape.changed_by,
            tuple(map(_step, shape.steps)),
        ),
        candidate=_arm(spec.candidate, "app:2"),
        baseline=None if spec.first_deployment else _arm(spec.baseline, "app:1"),
        series=_series(of, spec),
        answers=tuple(InputAnswer(one.rule, one.values, one.begins) for one in spec.answers),
        pods=tuple(
            PodFate(pod.pod, pod.becomes, pod.at, pod.after or timedelta(0), pod.restarts, pod.message)
            for pod in spec.pods
        ),
        alerts=tuple(map(_alert, spec.alerts)),
        approvals=tuple((one.at, one.step) for one in spec.approvals),
        resumes=spec.resumes,
        promotes=spec.promotes,
        aborts=spec.aborts,
        neighbours_over=spec.neighbours_over,
        expected=_expected(spec.expect),
    )


def _step(spec: OwnStepSpec) -> OwnStep:
    if spec.pause is None:
        return OwnStep(weight=(spec.set_weight or 0) / 100)
    return OwnStep(pauses=True, duration=spec.pause.duration)


def _series(of: CaseFileSpec, spec: CaseSpec) -> tuple[InputSeries, ...]:
    """The file's series and the test's own, of one name and labels the latter."""
    merged = {one.series: one for one in (*of.series, *spec.series)}
    return tuple(InputSeries(one.series, one.values, one.begins) for one in merged.values())


def _arm(spec: RevisionSpec, image: str) -> Arm:
    return Arm(spec.image or image, spec.labels, spec.irreversible)


def _alert(spec: FiringAlertSpec) -> InputAlert:
    received = spec.firing if spec.received is None else spec.received
    return InputAlert(spec.labels, spec.firing, received, spec.resolved, spec.pending, spec.summary)


def _expected(spec: ExpectSpec) -> Expected:
    decisions = None
    if spec.decisions is not None:
        decisions = tuple(
            ExpectedDecision(
                Action(one.decision), one.at, one.by, one.after, one.rule, one.reason, one.message
            )
            for one in spec.decisions
        )
    verdicts = tuple(
        ExpectedVerdict(one.at, one.rule, one.verdict, one.reason, one.message) for one in spec.verdicts
    )
    return Expected(decisions, verdicts, spec.phase)
