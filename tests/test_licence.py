"""The licence: its text, and that the package, the image and the chart carry it."""

import hashlib
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
CHART = ROOT / "helm" / "rollback-sentinel"
NAME = "Apache-2.0"
PUBLISHED = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
"""The SHA-256 of the text as the Apache Software Foundation publishes it."""


def test_the_licence_is_the_text_as_published() -> None:
    """Byte for byte."""
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == PUBLISHED


def test_the_package_names_the_licence_and_carries_it_with_the_notice() -> None:
    """In the metadata of the wheel, by its SPDX expression."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == NAME
    assert project["license-files"] == ["LICENSE", "NOTICE"]


def test_the_image_carries_the_licence_in_the_wheel_and_beside_it() -> None:
    """Both files are there when the wheel is built, and in /licenses of what is shipped."""
    build, shipped = (ROOT / "Dockerfile").read_text().split("\nFROM ")[1:]
    copied = [line.split() for line in build.splitlines() if line.startswith("COPY ")]
    assert any({"LICENSE", "NOTICE"} < set(words) for words in copied)
    assert "COPY LICENSE NOTICE /licenses/" in shipped
    assert f'org.opencontainers.image.licenses="{NAME}"' in shipped


def test_the_chart_names_the_licence_and_carries_it_with_the_notice() -> None:
    """A packaged chart is passed on without this repository."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["annotations"]["artifacthub.io/license"] == NAME
    for file in ("LICENSE", "NOTICE"):
        assert (CHART / file).read_bytes() == (ROOT / file).read_bytes()


def test_whoever_wants_to_contribute_or_to_report_finds_out_how() -> None:
    """README leads to the pages, and each of them is there."""
    readme = (ROOT / "README.md").read_text()
    for page in ("LICENSE", "NOTICE", "CONTRIBUTING.md", "SECURITY.md"):
        assert f"]({page})" in readme
        assert (ROOT / page).stat().st_size > 200
