"""The template of a gate's Job, as a CronJob has it: the fields that Kubernetes knows, and none of the node's own.

Names of fields: Kubernetes 1.36, `batch/v1` JobTemplateSpec.
"""

from collections.abc import Iterator, Mapping

from sentinel.policies.mistakes import InputError, Path, did_you_mean

_JOB_FIELDS = frozenset(
    {
        "activeDeadlineSeconds",
        "backoffLimit",
        "backoffLimitPerIndex",
        "completionMode",
        "completions",
        "maxFailedIndexes",
        "parallelism",
        "podFailurePolicy",
        "podReplacementPolicy",
        "successPolicy",
        "template",
        "ttlSecondsAfterFinished",
    }
)
_SET_BY_KUBERNETES = frozenset({"selector", "manualSelector", "managedBy", "suspend"})
_POD_FIELDS = frozenset(
    {
        "activeDeadlineSeconds",
        "affinity",
        "automountServiceAccountToken",
        "containers",
        "dnsConfig",
        "dnsPolicy",
        "enableServiceLinks",
        "hostAliases",
        "hostUsers",
        "hostname",
        "hostnameOverride",
        "imagePullSecrets",
        "initContainers",
        "nodeSelector",
        "os",
        "overhead",
        "preemptionPolicy",
        "priority",
        "priorityClassName",
        "readinessGates",
        "resourceClaims",
        "resources",
        "restartPolicy",
        "runtimeClassName",
        "schedulerName",
        "schedulingGates",
        "schedulingGroup",
        "securityContext",
        "serviceAccountName",
        "setHostnameAsFQDN",
        "shareProcessNamespace",
        "subdomain",
        "terminationGracePeriodSeconds",
        "tolerations",
        "topologySpreadConstraints",
        "volumes",
    }
)
_CONTAINER_FIELDS = frozenset(
    {
        "args",
        "command",
        "env",
        "envFrom",
        "image",
        "imagePullPolicy",
        "lifecycle",
        "livenessProbe",
        "name",
        "ports",
        "readinessProbe",
        "resizePolicy",
        "resources",
        "restartPolicy",
        "restartPolicyRules",
        "securityContext",
        "startupProbe",
        "stdin",
        "stdinOnce",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "tty",
        "volumeDevices",
        "volumeMounts",
        "workingDir",
    }
)
_OF_THE_NODE = frozenset({"hostNetwork", "hostPID", "hostIPC", "nodeName"})
_WHOLE_NUMBERS = (
    "activeDeadlineSeconds",
    "backoffLimit",
    "completions",
    "parallelism",
    "ttlSecondsAfterFinished",
)
_RESTARTS = ("Never", "OnFailure")
MAX_VALUES = 2000
MAX_TEXT = 32_768
"""Characters. The policy is kept in each rollout's record, which must stay small."""


def check_job_template(value: object) -> Mapping[str, object]:
    """The template where nothing is wrong with it. Raises InputError with the first mistake's place in it."""
    template = _mapping(value, ())
    if _too_large(value):
        raise InputError(
            f"holds more than {MAX_VALUES} values or {MAX_TEXT} characters",
            "put the test into an image or a ConfigMap",
        )
    _known(template, frozenset({"metadata", "spec"}), ())
    _metadata(template.get("metadata", {}), ("metadata",))
    spec = _mapping(_needed(template, "spec", ()), ("spec",))
    _job(spec)
    pods = _mapping(_needed(spec, "template", ("spec",)), ("spec", "template"))
    _known(pods, frozenset({"metadata", "spec"}), ("spec", "template"))
    _metadata(pods.get("metadata", {}), ("spec", "template", "metadata"))
    at = ("spec", "template", "spec")
    _pod(_mapping(_needed(pods, "spec", at[:-1]), at), at)
    return template


def _job(spec: Mapping[str, object]) -> None:
    for key in spec:
        if key in _SET_BY_KUBERNETES:
            raise InputError("is not a template's to set", f"remove {key}", at=("spec", key), key=True)
    _known(spec, _JOB_FIELDS, ("spec",))
    for key in _WHOLE_NUMBERS:
        number = spec.get(key, 0)
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise InputError("must be a whole number, 0 or more", at=("spec", key))
    for key in ("activeDeadlineSeconds", "completions", "parallelism"):
        if spec.get(key, 1) == 0:
            raise InputError("is 0: the Job would never succeed", f"remove {key}", at=("spec", key))


def _pod(spec: Mapping[str, object], at: Path) -> None:
    _none_of_the_nodes(spec, _OF_THE_NODE, at)
    _known(spec, _POD_FIELDS, at)
    restart = spec.get("restartPolicy", "Never")
    if restart not in _RESTARTS:
        raise InputError(
            f"{restart} is not a restartPolicy of a Job", "Never or OnFailure", at=(*at, "restartPolicy")
        )
    if not isinstance(spec.get("serviceAccountName", ""), str):
        raise InputError("must be text, a ServiceAccount's name", at=(*at, "serviceAccountName"))
    for place, volume in _items(spec, "volumes", at):
        if "hostPath" in volume:
            raise _refused((*place, "hostPath"))
    if not _needed(spec, "containers", at):
        raise InputError("must not be empty", at=(*at, "containers"))
    for kind in ("initContainers", "containers"):
        for place, container in _items(spec, kind, at):
            _container(container, place)


def _container(container: Mapping[str, object], at: Path) -> None:
    _known(container, _CONTAINER_FIELDS, at)
    for key in ("name", "image"):
        if not isinstance(_needed(container, key, at), str):
            raise InputError("must be text", at=(*at, key))
    security = _mapping(container.get("securityContext", {}), (*at, "securityContext"))
    if security.get("privileged"):
        raise _refused((*at, "securityContext", "privileged"))
    capabilities = _mapping(security.get("capabilities", {}), (*at, "securityContext", "capabilities"))
    if capabilities.get("add"):
        raise _refused((*at, "securityContext", "capabilities", "add"))
    for place, port in _items(container, "ports", at):
        if "hostPort" in port:
            raise _refused((*place, "hostPort"))
    for place, variable in _items(container, "env", at):
        if not isinstance(_needed(variable, "name", place), str):
            raise InputError("must be text", at=(*place, "name"))


def _none_of_the_nodes(spec: Mapping[str, object], names: frozenset[str], at: Path) -> None:
    for key in spec:
        if key in names:
            raise _refused((*at, key))


def _refused(at: Path) -> InputError:
    return InputError(
        "reaches outside the pod, which a gate's Job must not do", f"remove {at[-1]}", at=at, key=True
    )


def _metadata(value: object, at: Path) -> None:
    metadata = _mapping(value, at)
    _known(metadata, frozenset({"labels", "annotations"}), at)
    for key, texts in metadata.items():
        for name, text in _mapping(texts, (*at, key)).items():
            if not isinstance(text, str):
                raise InputError("must be text", "write it in quotes", at=(*at, key, name))


def _known(value: Mapping[str, object], names: frozenset[str], at: Path) -> None:
    for key in value:
        if key not in names:
            raise InputError(f"unknown key {key}", did_you_mean(key, names), at=(*at, key), key=True)


def _needed(value: Mapping[str, object], key: str, at: Path) -> object:
    if value.get(key) is None:
        raise InputError("is missing", f"write {key}: ...", at=(*at, key))
    return value[key]


def _mapping(value: object, at: Path) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise InputError("must be a mapping of keys to values", at=at)
    return value


def _items(value: Mapping[str, object], key: str, at: Path) -> Iterator[tuple[Path, Mapping[str, object]]]:
    found = value.get(key, [])
    if not isinstance(found, list):
        raise InputError("must be a list", at=(*at, key))
    for index, item in enumerate(found):
        yield (*at, key, index), _mapping(item, (*at, key, index))


def _too_large(value: object) -> bool:
    """Whether there are too many values, or too much text in them."""
    count, length, waiting = 0, 0, [value]
    while waiting and count <= MAX_VALUES and length <= MAX_TEXT:
        found = waiting.pop()
        count += 1
        if isinstance(found, Mapping):
            waiting.extend([*found.keys(), *found.values()])
        elif isinstance(found, list):
            waiting.extend(found)
        elif isinstance(found, str):
            length += len(found)
    return count > MAX_VALUES or length > MAX_TEXT
