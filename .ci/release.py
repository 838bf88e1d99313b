"""What a release needs: one version everywhere, a section of the changelog, and what is shipped, in an empty folder.

python .ci/release.py set 0.3.0      # writes the version wherever it is
python .ci/release.py check v0.3.0   # a tag: fails unless everything has that version and the changelog its section
python .ci/release.py notes v0.3.0   # the changelog's section, for the release's page
python .ci/release.py build DIR      # the wheels, the chart's archive and their checksums
"""

import hashlib
import re
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACES = {
    "pyproject.toml": (r'^version = "(.+)"$', r'rollback-sentinel-clustersim==([^"]+)"'),
    "packaging/clustersim/pyproject.toml": (r'^version = "(.+)"$',),
    "helm/rollback-sentinel/Chart.yaml": (r"^version: (.+)$", r"^appVersion: (.+)$"),
    "Dockerfile": (r"^ARG VERSION=(.+)$",),
    "README.md": (r"REGISTRY/rollback-sentinel:(\d[\w.]*)",),
    "docs/install.md": (r"REGISTRY/rollback-sentinel:(\d[\w.]*)",),
    "examples/argocd/application.yaml": (r"targetRevision: v(.+)$",),
}
"""Where the version is written, by patterns whose group it is. `pyproject.toml` has the first word."""
_VERSION = re.compile(r"\d+\.\d+\.\d+(rc\d+)?")


def main(words: list[str]) -> int:
    """The exit status: 0 where it could be done."""
    match words:
        case ["set", version] if _VERSION.fullmatch(version):
            set_version(version)
            return 0
        case ["check", tag]:
            return _report(mistakes(tag.removeprefix("v")))
        case ["notes", tag]:
            print(notes(tag.removeprefix("v")))
            return 0
        case ["build", folder]:
            return build(Path(folder))
    print(__doc__, file=sys.stderr)
    return 64


def written() -> dict[str, list[str]]:
    """The versions by the file that has them."""
    return {
        place: [
            found
            for pattern in patterns
            for found in re.findall(pattern, (ROOT / place).read_text(encoding="utf-8"), re.MULTILINE)
        ]
        for place, patterns in PLACES.items()
    }


def set_version(version: str) -> None:
    """Write the version wherever it is."""
    for place, patterns in PLACES.items():
        text = (ROOT / place).read_text(encoding="utf-8")
        for pattern in patterns:
            text = re.sub(
                pattern, lambda found: found[0].replace(found[1], version), text, flags=re.MULTILINE
            )
        (ROOT / place).write_text(text, encoding="utf-8")


def mistakes(version: str) -> list[str]:
    """What keeps this version from being released, a sentence each."""
    found = [
        f"{place} has version {', '.join(sorted(set(versions))) or 'none'}, not {version}: "
        f"run python .ci/release.py set {version}"
        for place, versions in written().items()
        if set(versions) != {version}
    ]
    if not notes(version):
        found.append(
            f"CHANGELOG.md has no section {version}: rename Unreleased to {version} with today's date"
        )
    return found


def notes(version: str) -> str:
    """The changelog's section of a version; empty where there is none."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    wanted = (section for section in sections if re.match(rf"{re.escape(version)}\b", section))
    return next(wanted, "").partition("\n")[2].strip()


def build(folder: Path) -> int:
    """Wheels of the daemon and of the simulated cluster, the chart as Helm packages it, and SHA256SUMS."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in (ROOT, ROOT / "packaging" / "clustersim"):
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder.resolve())]
        if subprocess.run(command, cwd=source, check=False).returncode:
            return 1
    chart(folder)
    shipped = sorted(each for each in folder.iterdir() if each.suffix in (".whl", ".tgz"))
    sums = (f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.name}\n" for each in shipped)
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
    return 0


def chart(folder: Path) -> Path:
    """The chart's archive."""
    source = ROOT / "helm" / "rollback-sentinel"
    made = folder / f"rollback-sentinel-{written()['helm/rollback-sentinel/Chart.yaml'][0]}.tgz"
    with tarfile.open(made, "w:gz") as archive:
        archive.add(source, arcname=source.name)
    return made


def _report(found: list[str]) -> int:
    for mistake in found:
        print(mistake, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
