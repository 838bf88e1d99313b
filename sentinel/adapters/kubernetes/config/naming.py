"""Which objects a pod template names."""

from collections.abc import Iterator

from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, objects, text
from sentinel.domain.workload.config import ConfigKind, ConfigRef

_SOURCES = (
    ("configMap", "name", ConfigKind.CONFIG_MAP),
    ("secret", "secretName", ConfigKind.SECRET),
    ("persistentVolumeClaim", "claimName", ConfigKind.CLAIM),
)
"""In a volume: the source, where it has the name, and the kind."""
_PROJECTED = (("configMap", ConfigKind.CONFIG_MAP), ("secret", ConfigKind.SECRET))
_ENV_FROM = (("configMapRef", ConfigKind.CONFIG_MAP), ("secretRef", ConfigKind.SECRET))
_ENV = (("configMapKeyRef", ConfigKind.CONFIG_MAP), ("secretKeyRef", ConfigKind.SECRET))


def named_by(template: object) -> tuple[ConfigRef, ...]:
    """The objects that a pod template names, each once, in a stable order.

    One is optional only if every place that names it says so. Secrets for pulling images are left out: a kubelet
    goes on without them.
    """
    spec = mapping(mapping(template).get("spec"))
    found: dict[tuple[ConfigKind, str], bool] = {}
    for ref in (*_of_volumes(spec), *_of_containers(spec), *_account(spec)):
        place = (ref.kind, ref.name)
        found[place] = ref.optional and found.get(place, True)
    return tuple(sorted(ConfigRef(kind, name, optional) for (kind, name), optional in found.items() if name))


def _account(spec: RawObject) -> Iterator[ConfigRef]:
    yield ConfigRef(ConfigKind.SERVICE_ACCOUNT, text(spec.get("serviceAccountName")))


def _of_volumes(spec: RawObject) -> Iterator[ConfigRef]:
    for volume in objects(spec.get("volumes")):
        for source, named, kind in _SOURCES:
            yield _ref(kind, mapping(volume.get(source)), named)
        driver = mapping(mapping(volume.get("csi")).get("nodePublishSecretRef"))
        yield _ref(ConfigKind.SECRET, driver)
        for part in objects(mapping(volume.get("projected")).get("sources")):
            for source, kind in _PROJECTED:
                yield _ref(kind, mapping(part.get(source)))


def _of_containers(spec: RawObject) -> Iterator[ConfigRef]:
    for container in (*objects(spec.get("initContainers")), *objects(spec.get("containers"))):
        for source in objects(container.get("envFrom")):
            for field, kind in _ENV_FROM:
                yield _ref(kind, mapping(source.get(field)))
        for variable in objects(container.get("env")):
            value = mapping(variable.get("valueFrom"))
            for field, kind in _ENV:
                yield _ref(kind, mapping(value.get(field)))


def _ref(kind: ConfigKind, source: RawObject, named: str = "name") -> ConfigRef:
    return ConfigRef(kind, text(source.get(named)), source.get("optional") is True)
