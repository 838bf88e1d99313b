"""The three patch formats of the API: JSON patch, JSON merge patch and strategic merge patch.

All functions leave their arguments alone and return the patched object.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from clustersim.storage.api_errors import bad_request, internal, unprocessable

Json = Any
JsonObject = dict[str, Any]

_MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "volumes": "name",
    "conditions": "type",
    "ownerReferences": "uid",
    "imagePullSecrets": "name",
    "resourceClaims": "name",
    "hostAliases": "ip",
    "podIPs": "ip",
    "hostIPs": "ip",
    "addresses": "type",
    "topologySpreadConstraints": "topologyKey",
}
_MERGED_PRIMITIVES = frozenset({"finalizers"})


def _same(left: Json, right: Json) -> bool:
    """Equality as JSON sees it: true is not 1."""
    return orjson.dumps(left, option=orjson.OPT_SORT_KEYS) == orjson.dumps(right, option=orjson.OPT_SORT_KEYS)


def _copy(value: Json) -> Json:
    return orjson.loads(orjson.dumps(value))


# -- JSON patch (RFC 6902)


def json_patch(obj: JsonObject, patch: Json) -> JsonObject:
    """Apply the operations of a JSON patch, all or none.

    Raises ApiError 400 for a malformed patch, 422 where a `test` fails or a path does not exist.
    """
    if not isinstance(patch, list) or not all(isinstance(step, dict) for step in patch):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        )
    root = _copy(obj)
    for step in patch:
        root = _operate(root, step)
    if not isinstance(root, dict):
        raise unprocessable()
    return root


def _operate(root: Json, step: JsonObject) -> Json:
    operation, path = step.get("op"), _pointer(step.get("path"))
    match operation:
        case "add":
            return _add(root, path, _copy(step.get("value")))
        case "remove":
            return _remove(root, path)
        case "replace":
            return _replace(root, path, _copy(step.get("value")))
        case "move":
            source = _pointer(step.get("from"))
            value = _lookup(root, source)
            return _add(_remove(root, source), path, value)
        case "copy":
            return _add(root, path, _copy(_lookup(root, _pointer(step.get("from")))))
        case "test":
            return _tested(root, path, step.get("value"))
        case _:
            raise unprocessable()


def _pointer(text: Json) -> list[str]:
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise unprocessable()
    return [token.replace("~1", "/").replace("~0", "~") for token in text.split("/")[1:]]


def _index(container: list[Json], token: str, *, end: int) -> int:
    if not token.isdigit() or int(token) >= end:
        raise unprocessable()
    return int(token)


def _lookup(root: Json, path: list[str]) -> Json:
    value = root
    for token in path:
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list):
            value = value[_index(value, token, end=len(value))]
        else:
            raise unprocessable()
    return value


def _tested(root: Json, path: list[str], wanted: Json) -> Json:
    parent = _lookup(root, path[:-1]) if path else None
    absent = isinstance(parent, dict) and path[-1] not in parent
    if not (absent and wanted is None) and not _same(_lookup(root, path), wanted):
        raise unprocessable()
    return root


def _add(root: Json, path: list[str], value: Json) -> Json:
    if not path:
        return value
    parent, token = _lookup(root, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[token] = value
    elif isinstance(parent, list):
        at = len(parent) if token == "-" else _index(parent, token, end=len(parent) + 1)  # nosec B105  # a path
        parent.insert(at, value)
    else:
        raise unprocessable()
    return root


def _replace(root: Json, path: list[str], value: Json) -> Json:
    if not path:
        return value
    parent, token = _lookup(root, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[token] = value  # an absent field is allowed, as in the library that the real server uses
    elif isinstance(parent, list):
        parent[_index(parent, token, end=len(parent))] = value
    else:
        raise unprocessable()
    return root


def _remove(root: Json, path: list[str]) -> Json:
    if not path:
        raise unprocessable()
    parent, token = _lookup(root, path[:-1]), path[-1]
    _lookup(parent, [token])
    del parent[int(token) if isinstance(parent, list) else token]
    return root


# -- JSON merge patch (RFC 7386)


def merge_patch(target: Json, patch: Json) -> Json:
    """Merge maps, replace everything else, remove what the patch sets to null."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


# -- strategic merge patch


def strategic_merge_patch(target: JsonObject, patch: JsonObject) -> JsonObject:
    """Merge with the directives and list keys of the built-in kinds.

    Directives: `$patch` (replace, delete, merge), `$retainKeys`, `$setElementOrder/<list>`,
    `$deleteFromPrimitiveList/<list>`. Raises ApiError 400 for a malformed one.
    """
    return _merge_maps(_copy(target), _copy(patch)) or {}


def _merge_maps(target: JsonObject, patch: JsonObject) -> JsonObject | None:
    """The merged map; None where the patch deletes it."""
    directive = patch.pop("$patch", "merge")
    if directive == "delete":
        return None
    if directive == "replace":
        return _plain(patch)
    if directive != "merge":
        raise bad_request(f'Unknown patch type found: {directive}; it must be "merge", "replace" or "delete"')
    retained = patch.pop("$retainKeys", None)
    if retained is not None:
        target = {key: value for key, value in target.items() if key in retained}
    for key in list(patch):
        if key.startswith("$deleteFromPrimitiveList/"):
            _drop_primitives(target, key.partition("/")[2], patch.pop(key))
    orders = {
        key.partition("/")[2]: patch.pop(key) for key in list(patch) if key.startswith("$setElementOrder/")
    }
    for key, value in patch.items():
        _merge_field(target, key, value, orders.get(key))
    for key in orders.keys() - patch.keys():
        if isinstance(target.get(key), list):
            target[key] = _ordered(target[key], target[key], orders[key], key)
    return target


def _drop_primitives(target: JsonObject, key: str, dropped: list[Json]) -> None:
    if isinstance(target.get(key), list):
        target[key] = [value for value in target[key] if value not in dropped]


def _merge_field(target: JsonObject, key: str, value: Json, order: list[Json] | None) -> None:
    if value is None:
        target.pop(key, None)
    elif isinstance(value, dict):
        current = target.get(key)
        merged = _merge_maps(current if isinstance(current, dict) else {}, value)
        if merged is None:
            target.pop(key, None)
        else:
            target[key] = merged
    elif isinstance(value, list):
        target[key] = _merge_lists(key, target.get(key) or [], value, order)
    else:
        target[key] = value


def _merge_lists(key: str, current: list[Json], patch: list[Json], order: list[Json] | None) -> list[Json]:
    if key in _MERGED_PRIMITIVES:
        merged = [*current, *(value for value in patch if value not in current)]
    elif (keyed := merge_key(key, [*patch, *current])) is None:
        return [_without_directives(item) for item in patch]
    else:
        merged = _merge_keyed(keyed, current, patch)
    return merged if order is None else _ordered(merged, current, order, key)


def merge_key(key: str, items: list[Json]) -> str | None:
    """The field that tells the items of the list `key` apart; None for a list that is replaced."""
    if key == "ports":
        container = any(isinstance(item, dict) and "containerPort" in item for item in items)
        return "containerPort" if container else "port"
    return _MERGE_KEYS.get(key)


def _merge_keyed(keyed: str, current: list[Json], patch: list[Json]) -> list[Json]:
    if any(item.get("$patch") == "replace" for item in patch):
        return [_without_directives(item) for item in patch if item.get("$patch") != "replace"]
    merged = {_key_of(keyed, item): item for item in current}
    for item in patch:
        identity = _key_of(keyed, item)
        result = _merge_maps(merged.get(identity, {}), item)
        if result is None:
            merged.pop(identity, None)
        else:
            merged[identity] = result
    return list(merged.values())


def _key_of(keyed: str, item: Json) -> Json:
    if not isinstance(item, dict) or keyed not in item:
        shown = " ".join(f"{k}:{v}" for k, v in sorted(item.items())) if isinstance(item, dict) else item
        raise internal(f"map: map[{shown}] does not contain declared merge key: {keyed}")
    return item[keyed]


def _ordered(merged: list[Json], current: list[Json], order: list[Json], key: str) -> list[Json]:
    """`merged` with the items named in `order` in that order, the others where they stood among them."""
    keyed = merge_key(key, merged)

    def identity(item: Json) -> Json:
        return item[keyed] if keyed and isinstance(item, dict) else item

    wanted = [identity(item) for item in order]
    stood = {_text(identity(item)): position for position, item in enumerate(current)}
    named = sorted((i for i in merged if identity(i) in wanted), key=lambda i: wanted.index(identity(i)))
    others = [item for item in merged if identity(item) not in wanted]
    return _interleaved(named, others, lambda item: stood.get(_text(identity(item))))


def _interleaved(named: list[Json], others: list[Json], position: Callable[[Json], int | None]) -> list[Json]:
    result: list[Json] = []
    while named and others:
        first, second = position(named[0]), position(others[0])
        comes_first = first is not None and second is not None and second < first
        result.append(others.pop(0) if comes_first else named.pop(0))
    return result + named + others


def _text(value: Json) -> str:
    return orjson.dumps(value).decode()


def _without_directives(value: Json) -> Json:
    return _plain(value) if isinstance(value, dict) else value


def _plain(value: JsonObject) -> JsonObject:
    return {
        key: _without_directives(child)
        for key, child in value.items()
        if not key.startswith("$") and child is not None
    }
