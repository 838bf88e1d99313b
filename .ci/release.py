"""What a release needs: one version everywhere, a section of the changelog, and what is shipped, in an empty folder.

python .ci/release.py set 0.3.0      # writes the version wherever it is
python .ci/release.py check v0.3.0   # a tag: fails unless everything has that version and the changelog its section
python .ci/release.py notes v0.3.0   # the changelog's section, for the release's page
python .ci/release.py build DIR      # the wheels, the chart's archive and their checksums
python .ci/release.py plugin DIR linux-amd64   # kubectl's plugin for this platform, by the Python that has PyInstaller
python .ci/release.py krew DIR       # its manifest for krew, of the archives in DIR, and the checksums with them
"""

import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
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
PLUGIN = "kubectl-sentinel"
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
        case ["plugin", folder, platform]:
            return plugin(Path(folder), platform)
        case ["krew", folder]:
            return _report(krew(Path(folder)))
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
    checksums(folder)
    return 0


def checksums(folder: Path) -> None:
    """Write SHA256SUMS of what is shipped."""
    shipped = sorted(each for each in folder.iterdir() if each.suffix in (".whl", ".tgz", ".gz"))
    sums = (f"{_sha256(each)}  {each.name}\n" for each in shipped)
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")


def plugin(folder: Path, platform: str) -> int:
    """The command line with its own Python, so that krew's users need none: PyInstaller's folder, and the licence."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        begin = Path(work, f"{PLUGIN}.py")
        begin.write_text("from sentinel.app.cli import main\n\nmain()\n", encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "PyInstaller",
            "--noconfirm",
            "--log-level",
            "WARN",
            "--name",
            PLUGIN,
        ]
        # Commands are imported by name, which PyInstaller does not see.
        taken = ["--collect-submodules", "sentinel", "--collect-data", "sentinel"]
        places = ["--copy-metadata", "rollback-sentinel", "--distpath", work, "--workpath", f"{work}/work"]
        if subprocess.run([*command, *taken, *places, str(begin)], cwd=work, check=False).returncode:
            return 1
        if subprocess.run([f"{work}/{PLUGIN}/{PLUGIN}", "--version"], check=False).returncode:
            return 1
        with tarfile.open(folder / f"{PLUGIN}-{platform}.tar.gz", "w:gz") as archive:
            archive.add(Path(work, PLUGIN), arcname=PLUGIN)
            archive.add(ROOT / "LICENSE", arcname="LICENSE")
    return 0


def krew(folder: Path) -> list[str]:
    """Write the manifest for krew, and SHA256SUMS with the plugin's archives; what is missing, a sentence each."""
    text = (ROOT / "packaging" / "krew" / "sentinel.yaml").read_text(encoding="utf-8")
    text = text.replace("v0.0.0", f"v{written()['pyproject.toml'][0]}")
    names = re.findall(rf"{PLUGIN}-\w+-\w+\.tar\.gz", text)
    missing = [f"{folder / name} is not there" for name in names if not (folder / name).is_file()]
    if missing:
        return missing
    for name in names:
        text = re.sub(
            rf'({name}\n +sha256: )""', lambda found, of=name: found[1] + _sha256(folder / of), text
        )
    (folder / "sentinel.yaml").write_text(text, encoding="utf-8")
    checksums(folder)
    return []


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


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
