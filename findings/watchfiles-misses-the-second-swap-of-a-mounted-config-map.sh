#!/usr/bin/env bash
# watchfiles 1.3.0: a watch of one file of a mounted ConfigMap sees the first update and none after it.
#
# A folder is laid as the kubelet lays a ConfigMap: `rules.yaml` is a link to `..data/rules.yaml`, and `..data` a link to
# the folder of the version, which is swapped by a rename and whose predecessor is removed. Two watches: of the file and
# of the folder.
#
# Seen:
#   update 1: file True, folder True
#   update 2: file False, folder True
#   update 3: file False, folder True
#
# Why it surprises: the path goes on naming the newest content, and the first update arrives, so every try of it by hand
# works. The watch is of what the link led to at the start; when that is removed it has nothing left and does not say
# so. Rules edited twice are the old ones from then on.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check watchfiles==1.3.0
mkdir "$folder/mount"

"$folder/venv/bin/python" - "$folder/mount" <<'PYTHON'
import asyncio
import os
import shutil
import sys
from pathlib import Path

from watchfiles import awatch

mount = Path(sys.argv[1])
told: set[str] = set()


def publish(version: int) -> None:
    folder = mount / f"..{version}"
    folder.mkdir()
    (folder / "rules.yaml").write_text(f"version: {version}\n")
    (mount / "..tmp").symlink_to(folder.name)
    os.rename(mount / "..tmp", mount / "..data")
    shutil.rmtree(mount / f"..{version - 1}", ignore_errors=True)


async def watch(name: str, path: Path) -> None:
    async for _ in awatch(path):
        told.add(name)


async def main() -> bool:
    publish(0)
    (mount / "rules.yaml").symlink_to("..data/rules.yaml")
    watches = [asyncio.create_task(watch("file", mount / "rules.yaml")), asyncio.create_task(watch("folder", mount))]
    await asyncio.sleep(3)
    seen = []
    for update in (1, 2, 3):
        told.clear()
        publish(update)
        await asyncio.sleep(5)
        seen.append(("file" in told, "folder" in told))
        print(f"update {update}: file {seen[-1][0]}, folder {seen[-1][1]}")
    for each in watches:
        each.cancel()
    return seen == [(True, True), (False, True), (False, True)]


sys.exit(not asyncio.run(main()))
PYTHON
