"""The content of ConfigMaps and Secrets: digests of it, and data that is kept."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.kubernetes.config.content import data_of, digest_of_data, fact_of, packed, unpacked
from sentinel.adapters.kubernetes.workloads.config_return import replacing
from sentinel.domain.workload.config import ABSENT, ConfigKind, ConfigRef

SETTINGS = ConfigRef(ConfigKind.CONFIG_MAP, "settings")
KEYS = ConfigRef(ConfigKind.SECRET, "keys")
data = st.dictionaries(
    st.sampled_from(["data", "binaryData"]), st.dictionaries(st.text(), st.text(), min_size=1)
)


def written(manager: str, time: str, field: str = "f:data") -> dict[str, Any]:
    """An entry of managedFields."""
    return {"manager": manager, "operation": "Update", "time": time, "fieldsV1": {field: {}}}


def test_a_configmap_is_named_by_what_it_holds() -> None:
    """Labels, versions and empty parts make no difference; the newest writer of the data is named."""
    plain = {"metadata": {"uid": "1"}, "data": {"a": "1"}}
    entries = [
        written("helm", "2026-01-01T00:00:00Z"),
        written("kubectl-edit", "2026-01-02T00:00:00Z"),
        written("labeller", "2026-01-03T00:00:00Z", "f:metadata"),
    ]
    labelled = {"metadata": {"uid": "1", "managedFields": entries}, "data": {"a": "1"}, "binaryData": {}}
    fact = fact_of(SETTINGS, labelled)
    assert fact.digest == fact_of(SETTINGS, plain).digest != fact_of(SETTINGS, {"data": {"a": "2"}}).digest
    assert (fact.changed_by, fact.changed_at) == ("kubectl-edit", datetime(2026, 1, 2, tzinfo=UTC))
    assert fact_of(SETTINGS, None).digest == ABSENT


def test_a_secret_is_named_by_who_wrote_it_when() -> None:
    """Its values make no difference, as they are never read."""
    before = {"metadata": {"uid": "1", "managedFields": [written("helm", "2026-01-01T00:00:00Z")]}}
    after = {"metadata": {"uid": "1", "managedFields": [written("helm", "2026-01-02T00:00:00Z")]}}
    assert fact_of(KEYS, before).digest == fact_of(KEYS, {**before, "data": {"k": "dg=="}}).digest
    assert fact_of(KEYS, before).digest != fact_of(KEYS, after).digest


@given(st.dictionaries(st.text(), data, min_size=1))
def test_what_is_packed_is_unpacked_as_it_was(held: dict[str, dict[str, object]]) -> None:
    """Whatever ConfigMaps hold comes back."""
    kept, why_not = packed(held)
    assert why_not == ""
    assert unpacked(kept) == held


def test_too_much_is_not_kept_and_said() -> None:
    """256 KiB are kept, and more is named."""
    assert packed({"big": {"data": {"a": "x" * 300 * 1024}}}) == (
        "",
        "the data of its ConfigMaps is 300 KiB, more than 256 KiB",
    )


def test_what_cannot_be_read_is_nothing() -> None:
    """A record that somebody wrote into does not stop an undo."""
    assert unpacked("garbage") == {} == unpacked("AAAA")


@given(data, data)
def test_putting_back_makes_the_former_data_of_any(now: dict[str, Any], former: dict[str, Any]) -> None:
    """Parts are replaced, added and removed; what was there is tested."""
    live: dict[str, Any] = {"metadata": {"uid": "1"}, **now}
    after = dict(now)
    for operation in replacing(live, former):
        part = operation["path"].removeprefix("/")
        if operation["op"] == "test":
            assert operation["value"] == ("1" if part == "metadata/uid" else live[part])
        elif operation["op"] == "add":
            after[part] = operation["value"]
        else:
            del after[part]
    assert digest_of_data(data_of(after)) == digest_of_data(data_of(former))
