"""The commands of the documentation, run as they stand there.

A comment before each block of shell says what becomes of it: `<!-- run -->` in a copy of the repository,
`<!-- run: demo -->` against the demo's cluster, either with `, exit N` where it should fail;
or `<!-- not run: WHY -->`.
"""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
import typer

from sentinel.app.commandline import app
from sentinel.app.demo import stage as staging
from sentinel.app.demo.shapes import NAMESPACE
from sentinel.app.demo.stage import Front, stage
from sentinel.app.demo.stories import STORIES
from sentinel.app.wiring.sources import metric_sources, options_of
from sentinel.policies.source import FilePolicySource
from sentinel.settings import load_settings
from tests.support.helm import find_program

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("[A-Z]*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>.*?) -->\n+)?```(?:sh|bash|shell|console)\n(?P<text>.*?)^```$", re.M | re.S
)
MARK = re.compile(r"run(?P<demo>: demo)?(?:, exit (?P<status>\d+))?|not run: (?P<why>.+)")
INLINE = re.compile(r"`((?:kubectl )?sentinel(?: [^`]+)?)`")
FENCED = re.compile(r"^```.*?^```$", re.M | re.S)
SECONDS = 240
"""How long one block may take."""
UNDONE_WITHIN = 240
"""How long the demo's bad releases may take to be undone, before the first block."""


@dataclass(frozen=True, slots=True)
class Block:
    """Commands, where they stand, and what should become of them."""

    where: str
    text: str
    mark: str

    @property
    def status(self) -> int:
        """How the block should end."""
        found = MARK.fullmatch(self.mark)
        return int(found["status"] or 0) if found else 0


def blocks() -> Iterator[Block]:
    """Every block of shell of the documentation."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in BLOCK.finditer(text):
            line = text.count("\n", 0, found.start("text"))
            yield Block(f"{page.relative_to(ROOT)}:{line}", found["text"], found["mark"] or "")


BLOCKS = list(blocks())
OFFLINE = [block for block in BLOCKS if re.match(r"run(,|$)", block.mark)]
ON_DEMO = [block for block in BLOCKS if block.mark.startswith("run: demo")]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with what the commands read, in which they may write."""
    folder = tmp_path / "repository"
    folder.mkdir()
    for name in ("rules", "config", "helm", "examples"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the commands are found: ours, helm and kubectl. Unpacking them takes a while, and is done once."""
    folder = tmp_path_factory.mktemp("programs")
    found = {str(Path(find_program(name, folder)).parent) for name in ("helm", "kubectl")}
    return ":".join([str(Path(sys.executable).parent), *found, os.environ["PATH"]])


async def ends(block: Block, folder: Path, path: str, **environment: str) -> str:
    """Run a block; empty when it ends as it should, else how it ended and what it said."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "-eo", "pipefail", "-c", block.text),
        cwd=folder,
        env={"PATH": path, "HOME": str(folder.parent), "COLUMNS": "120", **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"{block.where}: still running after {SECONDS} s"
    if process.returncode == block.status:
        return ""
    return f"{block.where}: ended with {process.returncode}, not {block.status}:\n{output.decode()}"


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.where)
def test_every_block_of_shell_is_run_or_says_why_not(block: Block) -> None:
    """A block that nobody marked would rot unseen."""
    assert MARK.fullmatch(block.mark), (
        f"{block.where}: write <!-- run -->, or <!-- not run: WHY -->, before it"
    )


@pytest.mark.real_time
@pytest.mark.parametrize("block", OFFLINE, ids=lambda block: block.where)
async def test_the_commands_that_need_no_cluster(block: Block, copy: Path, path: str) -> None:
    """Each block by itself, in a copy of the repository."""
    assert not await ends(block, copy, path)


@pytest.mark.real_time
async def test_a_newcomer_can_go_through_all_pages_in_one_folder(copy: Path, path: str) -> None:
    """What one block leaves behind breaks no later one, nor a sentinel that is started there afterwards."""
    before = sorted((copy / "rules").rglob("*"))
    for block in OFFLINE:
        assert not await ends(block, copy, path)
    assert sorted((copy / "rules").rglob("*")) == before
    settings = load_settings(copy / "config" / "sentinel.yaml", {})
    async with AsyncExitStack() as resources:
        options = options_of(settings, metric_sources(settings, resources))
        assert FilePolicySource.open((copy / "rules",), options).current.policies


@pytest.fixture
def sooner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's rules with shorter bakes, so that fewer requests are enough."""
    rules = (Path(staging.__file__).parent / "policy.yaml").read_text()
    shorter = rules.replace("bake: 8s", "bake: 4s").replace(
        "  strategy:\n", "  strategy:\n    minRequests: 50\n"
    )
    assert shorter.count("bake: 4s") == 3
    (tmp_path / "policy.yaml").write_text(shorter)
    monkeypatch.setattr(staging, "files", lambda _: tmp_path)


@pytest.mark.real_time
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("sooner")
async def test_the_commands_against_the_demo(copy: Path, path: str) -> None:
    """One after another, page by page, beside the demo's cluster once its releases that are undone have been."""
    assert ON_DEMO
    async with stage(Front()) as staged:
        for story in STORIES:
            story.before(staged.cluster, story)
        played = [story for story in STORIES if story.service in ("checkout", "cart", "search")]
        for story in played:
            staged.cluster.set_image(story.service, story.new_image, namespace=NAMESPACE)
        async with asyncio.timeout(UNDONE_WITHIN):
            while not all(story.came_out(staged.record(story)) for story in played):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        for block in ON_DEMO:
            assert not await ends(block, copy, path, KUBECONFIG=str(staged.kubeconfig))


def inline() -> list[tuple[str, str]]:
    """Each of our own commands within a sentence or a block, and its page."""
    found = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        spans = [span for span in INLINE.findall(FENCED.sub("", text)) if span.isprintable()]
        lines = [
            line.strip().removeprefix("$ ") for block in FENCED.findall(text) for line in block.splitlines()
        ]
        spans += [re.split(r"\s[|#]|\s{2,}", line)[0] for line in lines if line.startswith("sentinel ")]
        found |= {(page.name, span.removeprefix("kubectl ")) for span in spans}
    return sorted(found)


@pytest.mark.parametrize(("page", "line"), inline())
def test_every_command_and_flag_in_a_sentence_exists(page: str, line: str) -> None:
    """A command that was renamed, or a flag that is gone, is found in the words as well."""
    command: click.Command = typer.main.get_command(app)
    words: Sequence[str] = line.split()[1:]
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    command = command.make_context("sentinel", [], resilient_parsing=True).command  # with its own options
    if hasattr(command, "commands"):
        assert not words or words[0].startswith(("-", "…")), f"{page}: {line}: no such command"
    known = {flag for each in command.params for flag in (*each.opts, *each.secondary_opts)} | {"--help"}
    flags = {word.split("=")[0].rstrip(",.;]") for word in words if word.startswith("--") and word != "--"}
    assert flags <= known, f"{page}: {line}: {flags - known}"
