"""`sentinel explain --reason` knows every reason that the engine gives."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import sentinel.engine
from sentinel.app.commandline import app
from sentinel.app.reasons import known_reasons
from sentinel.domain.evidence import MissingReason
from sentinel.domain.record.holds import HoldReason
from sentinel.runtime.notify.remedies import REMEDIES

ENGINE = Path(sentinel.engine.__file__).parent
REASON = re.compile(
    r"([A-Z][a-z]+){2,}|[A-Z]{3}[A-Z][a-z]+|OOMKilled|Baking|Promoted|Restored|Started|Approved"
)
OF_KUBERNETES = frozenset(
    [
        "CrashLoopBackOff",
        "ContainerCreating",
        "ContainerStatusUnknown",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageInspect",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "NodeAffinity",
        "NodeLost",
        "NodeNotReady",
        "NodeShutdown",
        "OutOfcpu",
        "OutOfmemory",
        "OutOfpods",
        "PodInitializing",
        "RunContainerError",
        "UnexpectedAdmissionError",
    ]
)
"""What the kubelet and the controllers say of a pod; Kubernetes' own documentation explains it."""
NOT_REASONS = frozenset({"BeganBefore", "NotBegun", "OtherRevision"})
"""Effects of alerts, which their own sentences explain."""


def _said() -> Iterator[str]:
    """The names of reasons that the engine's modules have as texts, without those of classes."""
    trees = [
        ast.parse(path.read_text(encoding="utf-8"))
        for path in ENGINE.rglob("*.py")
        if "replay" not in path.parts
    ]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    classes = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    for node in nodes:
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and REASON.fullmatch(text) and text not in classes:
            yield text


def test_every_reason_of_the_engine_is_explained() -> None:
    """A new one needs its meaning and what to do."""
    assert set(_said()) - OF_KUBERNETES - NOT_REASONS - set(known_reasons()) == set()


def test_every_hold_and_every_missing_number_is_explained() -> None:
    """By its name."""
    assert set(REMEDIES) == set(HoldReason)
    assert {*HoldReason, *MissingReason} - set(known_reasons()) == set()


@pytest.mark.parametrize("written", ["NoData", "nodata"])
def test_a_reason_is_explained_without_a_cluster(written: str) -> None:
    """However its letters are written, and for programs, too."""
    answer = CliRunner().invoke(app, ["explain", "--reason", written, "-o", "json"])
    assert json.loads(answer.stdout)["means"] == "The query has no result."


def test_an_unknown_reason_is_refused_with_the_one_that_was_meant() -> None:
    """It is most often misspelt."""
    answer = CliRunner().invoke(app, ["explain", "--reason", "NoDatas"])
    assert answer.exit_code != 0
    assert "did you mean NoData?" in answer.output
