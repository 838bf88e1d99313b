"""Loads rule files: all of them, or the list of everything that is wrong with them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path as FilePath

from pydantic import ValidationError

from sentinel.domain.errors import ConfigurationError
from sentinel.domain.gate import GateLimits
from sentinel.domain.policy.policy import SLACK, Origin, Policy, UndoneGit
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.routes import RouteKind
from sentinel.policies.bounds import PolicyBounds, out_of_bounds
from sentinel.policies.convert import DEFAULT_INTERVAL, digest_of, policy_of
from sentinel.policies.explain import mistakes_of
from sentinel.policies.gate_limits import shut_gates
from sentinel.policies.mistakes import InputError, Path, PolicyError, Remark, dotted
from sentinel.policies.pairs import claims
from sentinel.policies.schema.policy import API_VERSION, CLUSTER_KIND, KIND, SUPPORTED_KINDS, PolicyFile
from sentinel.policies.yaml.document import MAX_BYTES, read_documents
from sentinel.policies.yaml.nodes import Document
from sentinel.values import dataclass

SUFFIXES = (".yaml", ".yml")
TEST_SUFFIXES = (".test.yaml", ".test.yml")


@dataclass(frozen=True, slots=True)
class PolicySet:
    """The policies of all rule files together; `digest` names the set, `files` are those read."""

    policies: tuple[Policy, ...]
    digest: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """What the daemon brings: the kinds that it can guard, the routes that it can move requests on (None: all), and the
    interval of rules that name none.

    `sources` are the metrics systems in its settings; a rule that asks another is refused. `gates` is what they
    allow gates; one that could never be asked is refused. `reverts`: whether they name a Git server to propose reverts
    on. `channels` are those that notices can go to. None: any will do. `bounds` is what policies of namespaces may say.
    """

    kinds: Collection[WorkloadKind] = SUPPORTED_KINDS
    routes: Collection[RouteKind] | None = None
    interval: timedelta = DEFAULT_INTERVAL
    sources: Collection[str] | None = None
    gates: GateLimits | None = None
    reverts: bool | None = None
    channels: Collection[str] | None = None
    bounds: tuple[PolicyBounds, ...] = ()


DEFAULTS = Options()


def load(paths: Iterable[FilePath | str], options: Options = DEFAULTS) -> PolicySet | list[PolicyError]:
    """The policies of these files and folders, or every mistake in any of them, by file and line.

    Of a folder the `*.yaml` and `*.yml` files directly in it are read; hidden ones and rule tests (`*.test.yaml`)
    are left out. Never raises for what a file holds.
    """
    files, errors = _files(paths)
    loaded: list[tuple[Document, Policy]] = []
    for file in files:
        documents, mistakes = _read(file)
        errors.extend(mistakes)
        for document in documents:
            policy, mistakes = _policy(document, options)
            errors.extend(mistakes)
            if policy:
                loaded.append((document, policy))
    errors.extend(_twice(loaded))
    places = {policy.name: document for document, policy in loaded}
    found = claims([policy for _, policy in loaded])
    errors.extend(places[policy.name].error(path, mistake) for policy, path, mistake in found)
    if not errors and not loaded:
        errors.append(PolicyError(", ".join(map(str, paths)) or "rules", 0, 0, "", "no policy was found"))
    if errors:
        return sorted(set(errors))
    return policy_set((policy for _, policy in loaded), tuple(str(file) for file in files))


def policy_set(policies: Iterable[Policy], files: tuple[str, ...] = ()) -> PolicySet:
    """A set of policies with its digest, which neither their order nor their files change."""
    ordered = sorted(policies, key=lambda policy: policy.name)
    digest = digest_of([policy.digest for policy in ordered])
    return PolicySet(tuple(replace(policy, set_digest=digest) for policy in ordered), digest, files)


def restore(document: Mapping[str, object], options: Options = DEFAULTS) -> Policy:
    """The policy that a document of a loaded policy means.

    Raises ConfigurationError when it no longer loads, with every mistake.
    """
    result = _validated(document, options)
    if isinstance(result, PolicyFile):
        return policy_of(result, document, "record", options.interval)
    mistakes = (f"{dotted((*path, *mistake.at))}: {mistake}" for path, mistake in result)
    raise ConfigurationError("the policy in the record no longer loads: " + "; ".join(mistakes))


def rule_files(paths: Iterable[FilePath | str]) -> list[FilePath]:
    """The files that `load` reads."""
    return _files(paths)[0]


def documents_of(file: FilePath) -> Iterator[tuple[str, Document]]:
    """The documents of a file that loads, by what their policies have as `source`."""
    for document in _read(file)[0]:
        yield _source(document), document


def unread_files(paths: Iterable[FilePath | str]) -> list[FilePath]:
    """Rule files in subfolders of these folders: they are not read unless their folder is named as well."""
    named = [FilePath(path) for path in paths]
    read = {file.resolve() for file in rule_files(named)}
    below = (
        file
        for folder in named
        if folder.is_dir()
        for sub in sorted(folder.iterdir())
        if sub.is_dir() and not sub.name.startswith(".")
        for file in sorted(sub.rglob("*"))
    )
    return [
        file
        for file in below
        if file.name.endswith(SUFFIXES)
        and not file.name.endswith(TEST_SUFFIXES)
        and file.is_file()
        and file.resolve() not in read
    ]


def describe(errors: Iterable[PolicyError]) -> str:
    """All mistakes, a line to each."""
    return "\n".join(map(str, errors))


def _files(paths: Iterable[FilePath | str]) -> tuple[list[FilePath], list[PolicyError]]:
    files: dict[FilePath, None] = {}
    errors: list[PolicyError] = []
    for path in map(FilePath, paths):
        try:
            found = _in_folder(path) if path.is_dir() else [path]
        except OSError as error:
            errors.append(PolicyError(str(path), 0, 0, "", f"cannot be read: {error.strerror}"))
            continue
        if not found:
            errors.append(
                PolicyError(str(path), 0, 0, "", "holds no rule file", "rule files end in .yaml or .yml")
            )
        files.update(dict.fromkeys(found))
    return list(files), errors


def _in_folder(folder: FilePath) -> list[FilePath]:
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.name.endswith(SUFFIXES)
        and not entry.name.endswith(TEST_SUFFIXES)
        and not entry.name.startswith(".")
        and not entry.is_dir()
        and not entry.is_fifo()  # which would be waited for until someone writes
    )


def read_bytes(file: FilePath) -> tuple[bytes, list[PolicyError]]:
    """What a file holds, at most a byte more than is allowed, or why it cannot be read."""
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1), []
    except OSError as error:
        return b"", [PolicyError(str(file), 0, 0, "", f"cannot be read: {error.strerror}")]


def _read(file: FilePath) -> tuple[list[Document], list[PolicyError]]:
    data, errors = read_bytes(file)
    return read_documents(data, str(file)) if not errors else ([], errors)


def _policy(document: Document, options: Options) -> tuple[Policy | None, list[PolicyError]]:
    value = document.value
    if not isinstance(value, dict):
        mistake = InputError("is not a mapping of keys to values", f"begin with apiVersion: {API_VERSION}")
        return None, [document.error((), mistake)]
    found = judged(value, options, _source(document))
    if isinstance(found, Policy):
        return found, []
    return None, [document.error(path, mistake) for path, mistake in found]


def judged(
    value: Mapping[str, object], options: Options, source: str, origin: Origin = Origin.FILE
) -> Policy | list[Remark]:
    """The policy that a document means, or everything that is wrong with it. `source` is where it stands."""
    result = _validated(value, options)
    if not isinstance(result, PolicyFile):
        return result
    absent = [
        *_absent_sources(result, options),
        *shut_gates(result, options.gates),
        *_no_reverts(result, options),
        *_absent_channels(result, options),
        *out_of_bounds(result, options.bounds),
    ]
    return absent or policy_of(result, value, source, options.interval, origin)


def _source(document: Document) -> str:
    return f"{document.file}:{document.root.position.line}"


def _validated(value: Mapping[str, object], options: Options) -> PolicyFile | list[Remark]:
    if value.get("kind") not in (KIND, CLUSTER_KIND) and isinstance(value.get("kind"), str):
        return [(("kind",), InputError(f"{value['kind']} is not a kind of policy", f"write kind: {KIND}"))]
    try:
        return PolicyFile.model_validate(value, context={"kinds": options.kinds, "routes": options.routes})
    except ValidationError as error:
        return list(mistakes_of(error, PolicyFile))


def _absent_sources(file: PolicyFile, options: Options) -> Iterable[tuple[Path, InputError]]:
    for index, rule in enumerate(file.spec.rules):
        kind, source = rule.source
        if source and options.sources is not None and source not in options.sources:
            key, _, name = source.partition("/")
            mistake = InputError(
                f"the settings do not configure {f'sources.{name}' if name else key}",
                f"set {f'sources.{name}.url' if name else key} there, or remove the rule",
                key=not name,
            )
            yield ("spec", "rules", index, kind, "source" if name else key), mistake


def _no_reverts(file: PolicyFile, options: Options) -> Iterable[tuple[Path, InputError]]:
    if file.spec.undo.git is UndoneGit.PROPOSE and options.reverts is False:
        mistake = InputError(
            "the settings name no Git server to propose a revert on",
            "set gitops.revert.hosts there, or write git: leave",
        )
        yield ("spec", "undo", "git"), mistake


def _absent_channels(file: PolicyFile, options: Options) -> Iterable[tuple[Path, InputError]]:
    known = options.channels
    for index, name in enumerate(file.spec.notify.channels):
        if known is not None and (SLACK if name.startswith(f"{SLACK}/") else name) not in known:
            there = f"they have {', '.join(known)}" if known else "they have none"
            mistake = InputError(f"the settings name no channel {name}", there)
            yield ("spec", "notify", "channels", index), mistake


def _twice(loaded: list[tuple[Document, Policy]]) -> Iterable[PolicyError]:
    first: dict[str, Policy] = {}
    for document, policy in loaded:
        known = first.setdefault(policy.name, policy)
        if known is not policy:
            mistake = InputError(
                f"two policies are named {policy.name}, the other in {known.source}", "rename one"
            )
            yield document.error(("metadata", "name"), mistake)
