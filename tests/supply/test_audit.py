"""The audit of pinned packages: it fails for what is known to be wrong, and says so where nothing could be learnt."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOUND = {"name": "sound", "version": "1.0", "vulns": []}
BROKEN = {"name": "broken", "version": "1.0", "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["1.1"]}]}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found"}


def audit(folder: Path, answers: dict[str, list[dict[str, object]]]) -> subprocess.CompletedProcess[str]:
    """Runs the audit with a pip-audit that gives these answers, and fails as offline for any other service."""
    (folder / "pip_audit.py").write_text(
        "import json, sys\n"
        f"answers = json.loads({json.dumps(answers)!r})\n"
        "service = sys.argv[sys.argv.index('--vulnerability-service') + 1]\n"
        "if service not in answers:\n"
        "    sys.exit('ConnectionError: no route')\n"
        "print(json.dumps({'dependencies': answers[service], 'fixes': []}))\n"
        "sys.exit(any(package.get('vulns') for package in answers[service]))\n"
    )
    return subprocess.run(
        [sys.executable, ROOT / ".ci/audit.py", "requirements.lock"],
        env=os.environ | {"PYTHONPATH": str(folder)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_vulnerable_package_fails_and_is_told_with_what_mends_it(tmp_path: Path) -> None:
    """One vulnerable package among sound ones: status 1, its name, the advisory and the release to take."""
    done = audit(tmp_path, {"pypi": [SOUND, BROKEN]})

    assert done.returncode == 1
    assert "broken 1.0: PYSEC-2026-1, mended in 1.1" in done.stdout


def test_sound_packages_pass_with_their_number(tmp_path: Path) -> None:
    """Without a finding the status is 0, and it is told how many packages were known."""
    done = audit(tmp_path, {"pypi": [SOUND, UNKNOWN]})

    assert done.returncode == 0
    assert "pypi knows 1 of 2 packages, 0 vulnerabilities" in done.stdout


def test_a_service_that_knows_nothing_is_followed_by_the_next(tmp_path: Path) -> None:
    """An index without vulnerabilities is no clean bill: the second service is asked, and its finding fails."""
    assert audit(tmp_path, {"pypi": [UNKNOWN], "osv": [BROKEN]}).returncode == 1


@pytest.mark.parametrize("answers", [{}, {"pypi": [UNKNOWN]}], ids=["offline", "an index without a list"])
def test_an_audit_that_learnt_nothing_says_so(
    tmp_path: Path, answers: dict[str, list[dict[str, object]]]
) -> None:
    """Where no list can be reached nothing fails, and nobody can take it for a clean audit."""
    done = audit(tmp_path, answers)

    assert done.returncode == 0
    assert "NOT AUDITED" in done.stdout
    assert "pypi" in done.stdout
    assert "osv" in done.stdout
