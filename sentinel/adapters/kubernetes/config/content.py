"""The content of ConfigMaps and Secrets: a digest of it, who wrote it when, and data that is kept to be put back.

A Secret's digest is of who wrote its data when, which its metadata tells, and not of the data.
"""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Mapping

import orjson

from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, objects, text, time
from sentinel.domain.workload.config import ABSENT, ConfigFact, ConfigKind, ConfigRef

DATA = ("data", "binaryData")
"""What a ConfigMap holds."""
MAX_KEPT_BYTES = 256 * 1024
_DIGITS = 16

Data = Mapping[str, object]
"""A ConfigMap's `data` and `binaryData`."""


def fact_of(ref: ConfigRef, raw: RawObject | None) -> ConfigFact:
    """What is known of an object; None where it does not exist."""
    if raw is None:
        return ConfigFact(ref, ABSENT)
    metadata = mapping(raw.get("metadata"))
    writes = _writes(metadata)
    newest = max(writes, key=lambda entry: text(entry.get("time")), default={})
    secret = ref.kind is ConfigKind.SECRET
    return ConfigFact(
        ref,
        _of_writes(metadata, writes) if secret else digest_of_data(data_of(raw)),
        time(newest.get("time")),
        text(newest.get("manager")),
    )


def data_of(config_map: RawObject) -> Data:
    """What a ConfigMap holds, without what is empty."""
    return {part: config_map[part] for part in DATA if config_map.get(part)}


def keys_of(raw: RawObject) -> frozenset[str]:
    """The keys that a ConfigMap or Secret has; of one that was read by its metadata, those that managedFields tell."""
    written = [mapping(entry.get("fieldsV1")) for entry in _writes(mapping(raw.get("metadata")))]
    told = (field for fields in written for part in DATA for field in mapping(fields.get(f"f:{part}")))
    held = (key for part in DATA for key in mapping(raw.get(part)))
    return frozenset(field.removeprefix("f:") for field in told).union(held)


def digest_of_data(data: Data) -> str:
    """A short name for what a ConfigMap holds."""
    return _digest(data)


def _of_writes(metadata: RawObject, writes: list[RawObject]) -> str:
    """A name for who wrote the data when; the object's version where its managedFields do not tell."""
    told = [[text(entry.get(key)) for key in ("manager", "operation", "time")] for entry in writes]
    return _digest([text(metadata.get("uid")), sorted(told) or text(metadata.get("resourceVersion"))])


def _writes(metadata: RawObject) -> list[RawObject]:
    """The managedFields' entries of those who wrote a part of the data."""
    return [
        entry
        for entry in objects(metadata.get("managedFields"))
        if any(f"f:{part}" in mapping(entry.get("fieldsV1")) for part in DATA)
    ]


def _digest(value: object) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:_DIGITS]


def packed(held: Mapping[str, Data]) -> tuple[str, str]:
    """The data of ConfigMaps, by name, as it is kept in a record; or an empty text, and why it cannot be kept."""
    plain = orjson.dumps(held, option=orjson.OPT_SORT_KEYS)
    if len(plain) > MAX_KEPT_BYTES:
        return (
            "",
            f"the data of its ConfigMaps is {len(plain) // 1024} KiB, more than {MAX_KEPT_BYTES // 1024} KiB",
        )
    return base64.b64encode(zlib.compress(plain)).decode() if held else "", ""


def unpacked(kept: str) -> dict[str, Data]:
    """The data of ConfigMaps, by name, from a record; empty where it cannot be read."""
    try:
        plain = zlib.decompress(base64.b64decode(kept, validate=True))
        held: object = orjson.loads(plain)
    except (ValueError, zlib.error, binascii.Error):
        return {}
    return {name: mapping(data) for name, data in mapping(held).items()}
