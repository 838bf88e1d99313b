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


Mention = tuple[ConfigRef, tuple[str, ...]]
"""An object at one place of a template, and the keys of it that this place reads one by one."""


def named_by(template: object) -> tuple[ConfigRef, ...]:
    """The objects that a pod template names, each once, in a stable order.

    One is optional only if every place that names it says so. Secrets for pulling images are left out: a kubelet
    goes on without them.
    """
    found: dict[tuple[ConfigKind, str], bool] = {}
    for ref, _ in _mentions(template):
        place = (ref.kind, ref.name)
        found[place] = ref.optional and found.get(place, True)
    return tuple(sorted(ConfigRef(kind, name, optional) for (kind, name), optional in found.items()))


def keys_required_by(template: object, ref: ConfigRef) -> frozenset[str]:
    """The keys of a ConfigMap or Secret without which the template's pods do not start."""
    return frozenset(
        key
        for one, keys in _mentions(template)
        if (one.kind, one.name) == (ref.kind, ref.name) and not one.optional
        for key in keys
    )


def _mentions(template: object) -> Iterator[Mention]:
    spec = mapping(mapping(template).get("spec"))
    account = ConfigRef(ConfigKind.SERVICE_ACCOUNT, text(spec.get("serviceAccountName")))
    for ref, keys in (*_of_volumes(spec), *_of_containers(spec), (account, ())):
        if ref.name:
            yield ref, tuple(key for key in keys if key)


def _of_volumes(spec: RawObject) -> Iterator[Mention]:
    for volume in objects(spec.get("volumes")):
        for source, named, kind in _SOURCES:
            if source in volume:
                yield _mention(kind, mapping(volume[source]), named)
        driver = mapping(mapping(volume.get("csi")).get("nodePublishSecretRef"))
        yield _mention(ConfigKind.SECRET, driver)
        for part in objects(mapping(volume.get("projected")).get("sources")):
            for source, kind in _PROJECTED:
                yield _mention(kind, mapping(part.get(source)))


def _of_containers(spec: RawObject) -> Iterator[Mention]:
    for container in (*objects(spec.get("initContainers")), *objects(spec.get("containers"))):
        for source in objects(container.get("envFrom")):
            for field, kind in _ENV_FROM:
                yield _mention(kind, mapping(source.get(field)))
        for variable in objects(container.get("env")):
            if "valueFrom" in variable:  # most variables are plain values, and there may be hundreds
                value = mapping(variable["valueFrom"])
                for field, kind in _ENV:
                    yield _mention(kind, mapping(value.get(field)))


def _mention(kind: ConfigKind, source: RawObject, named: str = "name") -> Mention:
    """A variable names one key; of a volume the keys are its items, where it lists them."""
    ref = ConfigRef(kind, text(source.get(named)), source.get("optional") is True)
    return ref, (text(source.get("key")), *(text(item.get("key")) for item in objects(source.get("items"))))
