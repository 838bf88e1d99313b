"""Checks everything that rule files and their tests hold, below some folders."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from sentinel.domain.policy.policy import Policy
from sentinel.policies.load import DEFAULTS, SUFFIXES, TEST_SUFFIXES, Options, PolicySet, documents_of, load
from sentinel.policies.mistakes import PolicyError, Remark
from sentinel.policies.patience import impatient
from sentinel.policies.pitfalls import pitfalls
from sentinel.policies.ruletest.load import load_tests
from sentinel.policies.schema.buckets import between_buckets
from sentinel.policies.schema.dialects import in_a_dialect
from sentinel.policies.ties import ties
from sentinel.values import dataclass

_REMARKS = (between_buckets, impatient, in_a_dialect, pitfalls)


@dataclass(frozen=True, slots=True)
class Checked:
    """The names of the policies, the files read, all that is wrong with them, and what works but may surprise."""

    policies: tuple[str, ...]
    files: tuple[str, ...]
    errors: tuple[PolicyError, ...]
    remarks: tuple[PolicyError, ...] = ()


def check_paths(paths: Iterable[Path], options: Options = DEFAULTS) -> Checked:
    """Check these files, and all rule files and tests in these folders and below; `options` is the daemon's."""
    errors: list[PolicyError] = []
    files: dict[Path, None] = {}
    for path in paths:
        below = list(_below(path)) if path.is_dir() else [path]
        if not below:
            errors.append(
                PolicyError(str(path), 0, 0, "", "holds no rule file", "rule files end in .yaml or .yml")
            )
        files.update(dict.fromkeys(below))
    tests = [file for file in files if file.name.endswith(TEST_SUFFIXES)]
    rule_files = [file for file in files if not file.name.endswith(TEST_SUFFIXES)]
    errors.extend(load_tests(tests)[1])
    loaded = load(rule_files, options) if rule_files else PolicySet((), "")
    if isinstance(loaded, PolicySet):
        names = tuple(policy.name for policy in loaded.policies)
        remarks, ambiguous = _surprises(loaded)
        errors.extend(ambiguous)
    else:
        names, remarks = (), []
        errors.extend(loaded)
    return Checked(names, tuple(map(str, files)), tuple(sorted(set(errors))), tuple(remarks))


def remarks_on(policy: Policy) -> Iterator[Remark]:
    """What works in a policy, and may surprise."""
    for of in _REMARKS:
        yield from of(policy)


def _surprises(loaded: PolicySet) -> tuple[list[PolicyError], list[PolicyError]]:
    """What works but may surprise, and policies that tie wherever they match: those guard nothing."""
    documents = {place: document for file in loaded.files for place, document in documents_of(Path(file))}
    remarks = [
        documents[policy.source].error(*remark) for policy in loaded.policies for remark in remarks_on(policy)
    ]
    ambiguous: list[PolicyError] = []
    for policy, mistake, always in ties(loaded.policies):
        tie = documents[policy.source].error(("spec", "match"), mistake)
        (ambiguous if always else remarks).append(tie)
    return sorted(remarks), ambiguous


def _below(folder: Path) -> Iterator[Path]:
    """The rule files and tests of a folder and its subfolders, hidden ones left out."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.endswith(SUFFIXES) and not name.startswith("."):
                yield Path(root, name)
