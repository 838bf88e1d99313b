"""Compares requirement files with the known vulnerabilities, by pip-audit.

Fails for what was found and for nothing else: a machine that reaches no list of vulnerabilities is told so plainly
and does not fail, since it learnt nothing.

    python .ci/audit.py requirements.lock ...
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence

SERVICES = ("pypi", "osv")
_SECONDS = 120


def main(files: Sequence[str]) -> int:
    """The exit status: 1 if a pinned package has a known vulnerability, 2 for a usage error, otherwise 0."""
    if not files:
        print("usage: audit.py REQUIREMENTS...", file=sys.stderr)
        return 2
    for service in SERVICES:
        packages, why = _asked(service, files)
        known = [package for package in packages if "skip_reason" not in package]
        if known:
            return _report(service, known, len(packages))
        print(f"audit: no answer from {service} ({why})")
    print(
        "audit: NOT AUDITED, since no list of vulnerabilities was reached; nothing is known to be wrong or right"
    )
    return 0


def _asked(service: str, files: Sequence[str]) -> tuple[list[Mapping[str, object]], str]:
    """What pip-audit says of each package, or nothing and why."""
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--disable-pip",
        "--progress-spinner",
        "off",
        "--format",
        "json",
    ]
    command += [
        "--vulnerability-service",
        service,
        *(part for file in files for part in ("--requirement", file)),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return [], f"no answer within {_SECONDS} s"
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return [], (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
    return packages, f"it knows none of the {len(packages)} packages"


def _report(service: str, known: Sequence[Mapping[str, object]], asked: int) -> int:
    bad = 0
    for package in known:
        for vulnerability in package["vulns"]:  # type: ignore[attr-defined]
            bad += 1
            mended = ", ".join(vulnerability["fix_versions"]) or "no release yet"
            print(f"audit: {package['name']} {package['version']}: {vulnerability['id']}, mended in {mended}")
    print(f"audit: {service} knows {len(known)} of {asked} packages, {bad} vulnerabilities")
    if bad:
        print("audit: run make lock, and raise the floor in pyproject.toml")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
