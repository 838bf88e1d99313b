"""The results of rule tests: for people, and as JUnit's XML for continuous integration."""

import xml.etree.ElementTree as ET  # nosec B405  # writes XML and reads none
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sentinel.app.ruletest.coverage import Coverage, total
from sentinel.app.ruletest.run import Result
from sentinel.domain.figures import amount


def lines(results: Sequence[Result], *, verbose: bool) -> Iterator[str]:
    """One line to a test that failed (all, if `verbose`), its differences below, and the sum."""
    for result in results:
        place = f"{result.file}:{result.case.line}"
        took = f"{result.seconds * 1000:.0f} ms"
        if result.passed:
            if verbose:
                yield f"ok    {place}  {result.case.name}  ({took})"
            continue
        yield f"FAIL  {place}  {result.case.name}  ({took})"
        yield from (f"      {line}" for line in ((result.problem,) if result.problem else result.differences))
    failed = sum(not result.passed for result in results)
    seconds = sum(result.seconds for result in results)
    tests = amount(len(results), "test")
    yield f"{f'{failed} of {tests} failed' if failed else f'{tests} passed'} in {seconds:.2f} s"


def as_data(results: Iterable[Result]) -> list[dict[str, object]]:
    """Every test, for programs; `differences` are what came out otherwise."""
    return [
        {
            "file": result.file,
            "line": result.case.line,
            "name": result.case.name,
            "passed": result.passed,
            "problem": result.problem,
            "differences": list(result.differences),
            "seconds": round(result.seconds, 4),
        }
        for result in results
    ]


def coverage_lines(parts: Sequence[Coverage]) -> Iterator[str]:
    """Each policy's share, and what no test reaches."""
    for part in parts:
        yield f"{part.policy}: tests reach {part.share:.0%} of {amount(len(part.branches), 'branch', 'branches')}"
        yield from (f"      no test reaches {of}: {outcome}" for of, outcome in part.missed)
    if len(parts) > 1:
        yield f"all policies: {total(parts):.0%}"


def write_junit(results: Sequence[Result], file: Path) -> None:
    """Write the results as JUnit's XML. Raises OSError."""
    root = ET.Element("testsuites", {"name": "sentinel rules test", **_sums(results)})
    for name in dict.fromkeys(result.file for result in results):
        own = [result for result in results if result.file == name]
        suite = ET.SubElement(root, "testsuite", {"name": name, **_sums(own)})
        for result in own:
            case = ET.SubElement(
                suite,
                "testcase",
                name=result.case.name,
                classname=name,
                file=name,
                line=str(result.case.line),
                time=f"{result.seconds:.4f}",
            )
            if result.problem:
                ET.SubElement(case, "error", message=result.problem)
            elif result.differences:
                failure = ET.SubElement(case, "failure", message=result.differences[0])
                failure.text = _printable("\n".join(result.differences))
    ET.indent(root)
    ET.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)


def _sums(results: Iterable[Result]) -> dict[str, str]:
    listed = list(results)
    return {
        "tests": str(len(listed)),
        "failures": str(sum(bool(r.differences) for r in listed)),
        "errors": str(sum(bool(r.problem) for r in listed)),
        "time": f"{sum(r.seconds for r in listed):.4f}",
    }


def _printable(text: str) -> str:
    """The text without what XML cannot hold."""
    return "".join(char for char in text if char in "\n\t" or ord(char) >= 0x20)
