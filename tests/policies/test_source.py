"""The set in force and its exchange."""

import asyncio
import os
from pathlib import Path

import pytest

from sentinel.domain.errors import ConfigurationError
from sentinel.policies.source import FilePolicySource, watch
from tests.policies.test_load import document


def test_an_edit_is_taken_over(tmp_path: Path) -> None:
    """After a reload the edited set is in force."""
    file = tmp_path / "shop.yaml"
    file.write_text(document("old"))
    source = FilePolicySource.open([tmp_path])
    before = source.current.digest

    file.write_text(document("new"))

    assert source.reload() == []
    assert [policy.name for policy in source.policies()] == ["new"]
    assert source.current.digest != before


async def test_a_bad_edit_changes_nothing(tmp_path: Path) -> None:
    """One wrong file among good ones leaves the last good set in force, and the mistakes are returned."""
    (tmp_path / "shop.yaml").write_text(document("old"))
    source = FilePolicySource.open([tmp_path])
    before = source.current

    (tmp_path / "shop.yaml").write_text(document("new"))
    (tmp_path / "worse.yaml").write_text("spec: [")
    errors = await asyncio.to_thread(source.reload)

    assert [Path(error.file).name for error in errors] == ["worse.yaml"]
    assert source.current is before


def test_a_source_without_a_first_set_is_refused(tmp_path: Path) -> None:
    """A daemon that starts with wrong files says every mistake."""
    (tmp_path / "a.yaml").write_text("spec: [")
    (tmp_path / "b.yaml").write_text("- x")

    with pytest.raises(
        ConfigurationError, match=r"(?s)a\.yaml:2:1: is not YAML.*b\.yaml:1:1: is not a mapping"
    ):
        FilePolicySource.open([tmp_path])


def test_a_rollout_keeps_the_policy_that_it_began_with(tmp_path: Path) -> None:
    """The document in a record gives the old policy while the edited one is in force."""
    file = tmp_path / "shop.yaml"
    file.write_text(document("shop", "rules: [{name: crash, crashLoop: {restarts: 9}}]"))
    source = FilePolicySource.open([tmp_path])
    kept = source.policies()[0]

    file.write_text(document("shop"))
    source.reload()

    assert source.restore(kept.document).rules == kept.rules
    assert source.policies()[0].rules != kept.rules


def mounted(folder: Path, version: str, text: str) -> None:
    """Write a ConfigMap's file as the kubelet does: a new folder, and one link that is swapped by renaming."""
    (folder / f"..{version}").mkdir()
    (folder / f"..{version}/shop.yaml").write_text(text)
    (folder / "..data_tmp").symlink_to(f"..{version}")
    os.replace(folder / "..data_tmp", folder / "..data")
    if not (folder / "shop.yaml").is_symlink():
        (folder / "shop.yaml").symlink_to("..data/shop.yaml")


@pytest.mark.real_time
async def test_every_swap_of_a_config_map_is_seen(tmp_path: Path) -> None:
    """The kubelet's symlink swap is seen each time, not only the first, and the set follows."""
    mounted(tmp_path, "1", document("one"))
    source = FilePolicySource.open([tmp_path])
    seen: asyncio.Queue[list[str]] = asyncio.Queue()
    stop = asyncio.Event()

    async def reload() -> None:
        await asyncio.to_thread(source.reload)
        await seen.put([policy.name for policy in source.policies()])

    watching = asyncio.create_task(watch(tmp_path, reload, stop=stop))
    try:
        for version, name in (("2", "two"), ("3", "three")):
            await swapped_until_seen(tmp_path, version, name, seen)
            assert [policy.name for policy in source.policies()] == [name]
    finally:
        stop.set()
        await watching


def test_a_swap_is_an_edit(tmp_path: Path) -> None:
    """A ConfigMap's swap changes no link's name, and is seen as an edit all the same; no swap is none."""
    mounted(tmp_path, "1", document("one"))
    source = FilePolicySource.open([tmp_path])

    assert source.reload_edited() is None
    mounted(tmp_path, "2", document("two"))

    assert source.reload_edited() == []
    assert [policy.name for policy in source.policies()] == ["two"]


def test_every_policy_names_its_set(tmp_path: Path) -> None:
    """Each policy carries the digest of the whole set that it was loaded with, which any edit changes."""
    (tmp_path / "a.yaml").write_text(document("a"))
    (tmp_path / "b.yaml").write_text(document("b"))
    source = FilePolicySource.open([tmp_path])
    before = source.current

    (tmp_path / "b.yaml").write_text(document("b", "rules: [{name: crash, crashLoop: {restarts: 9}}]"))
    source.reload_edited()

    assert {policy.set_digest for policy in before.policies} == {before.digest}
    assert {policy.set_digest for policy in source.policies()} == {source.current.digest}
    assert source.current.digest != before.digest


@pytest.mark.real_time
async def test_a_folder_made_anew_is_watched_again(tmp_path: Path) -> None:
    """A folder that was removed and made anew, as by a checkout, is looked at again."""
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "shop.yaml").write_text(document("one"))
    source = FilePolicySource.open([folder])
    taken = asyncio.Event()
    stop = asyncio.Event()

    async def reload() -> None:
        await asyncio.to_thread(source.reload_edited)
        if [policy.name for policy in source.policies()] == ["two"]:
            taken.set()

    watching = asyncio.create_task(watch(folder, reload, every=0.1, stop=stop))
    try:
        os.rename(folder, tmp_path / "old")
        folder.mkdir()
        (folder / "shop.yaml").write_text(document("two"))
        async with asyncio.timeout(30):
            await taken.wait()
    finally:
        stop.set()
        await watching


async def swapped_until_seen(folder: Path, version: str, name: str, seen: asyncio.Queue[list[str]]) -> None:
    """Swap, and swap again while the watch is not up yet, until the change has been taken over."""
    for attempt in range(50):
        mounted(folder, f"{version}.{attempt}", document(name))
        try:
            async with asyncio.timeout(2):
                while await seen.get() != [name]:
                    pass
        except TimeoutError:
            continue
        return
    raise AssertionError("the swap was never seen")
