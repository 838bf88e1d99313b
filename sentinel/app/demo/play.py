"""Plays the demo: releases, waits, shows."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime

import aiohttp
from rich.console import Console
from rich.live import Live

from sentinel.app.demo.shapes import NAMESPACE
from sentinel.app.demo.stage import DemoStage, Front, stage
from sentinel.app.demo.stories import PLAYS, DemoStory
from sentinel.app.demo.view import decisions, progress, summary
from sentinel.domain.figures import amount
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.ports import SystemClock

LONGEST_SECONDS = 300.0
"""Enough for a machine with much else to do; the longest story takes a minute."""
CANARY_FOR_SECONDS = 2.5
FINAL = frozenset({Phase.PROMOTED, Phase.UNDONE, Phase.HELD, Phase.FAILED, Phase.SUPERSEDED, Phase.UNJUDGED})


async def play(console: Console, front: Front, *, keep: bool = False) -> bool:
    """Play all stories at once; whether every one ended as expected. Keeps running afterwards with `keep`."""
    logging.getLogger("sentinel").setLevel(logging.ERROR)
    stories = PLAYS[front.play]
    title = f"{amount(len(stories), 'release')} on a simulated cluster, judged by the real daemon"
    console.print(f"[bold]Rollback Sentinel[/bold]: {title}\n")
    with console.status(f"Starting the cluster and {len(stories)} services …"):
        context = stage(front)
        staged = await context.__aenter__()
    try:
        if staged.application.page.url:
            console.print(f"Watch in a browser: {staged.application.page.url}\n", soft_wrap=True)
        released = await perform(staged, console)
        console.print(decisions(staged, released))
        well = [story for story in staged.stories if story.came_out(staged.record(story))]
        console.print(summary(staged, released))
        if keep:
            await _stay(staged, console)
    finally:
        await context.__aexit__(None, None, None)
    return len(well) == len(staged.stories)


async def perform(staged: DemoStage, console: Console) -> Mapping[str, datetime]:
    """Release everything and watch until all stories have ended; when each service was released."""
    clock = SystemClock()
    released: dict[str, datetime] = {}
    for story in staged.stories:
        story.before(staged.cluster, story)
    for story in staged.stories:
        released[story.service] = clock.now()
        story.shape.release(staged.cluster, story.service, story.new_image)
    happenings = [asyncio.create_task(_happen(staged, story)) for story in staged.stories]
    try:
        with Live(progress(staged, released), console=console, refresh_per_second=4) as live:
            async with asyncio.timeout(LONGEST_SECONDS):
                while not all(_ended(staged, story) for story in staged.stories):
                    await asyncio.sleep(0.25)
                    live.update(progress(staged, released))
            live.update(progress(staged, released))
    except TimeoutError:
        console.print(f"\n[red]Not every rollout was decided within {LONGEST_SECONDS:.0f} s.[/red]")
    for task in happenings:
        task.cancel()
    await asyncio.gather(*happenings, return_exceptions=True)
    return released


def _ended(staged: DemoStage, story: DemoStory) -> bool:
    record = staged.record(story)
    return record is not None and record.state.phase in FINAL


async def _happen(staged: DemoStage, story: DemoStory) -> None:
    """What happens to a release once its canary has run for a moment."""
    if story.meanwhile is None and story.alert is None:
        return
    while not _bakes(staged.record(story), story.step):  # noqa: ASYNC110 - as a person would
        await asyncio.sleep(0.1)
    await asyncio.sleep(CANARY_FOR_SECONDS)
    if story.meanwhile is not None:
        story.meanwhile(staged.cluster, story)
    if story.alert is not None:
        await _fire(staged, story, story.alert)


def _bakes(record: Record | None, step: int) -> bool:
    return record is not None and record.state.phase is Phase.BAKING and record.state.progress.step >= step


async def _fire(staged: DemoStage, story: DemoStory, alertname: str) -> None:
    """Post an alert as Alertmanager does."""
    labels = {"alertname": alertname, "namespace": NAMESPACE, story.shape.kind: story.members[-1]}
    alert = {
        "status": "firing",
        "labels": labels,
        "annotations": {"summary": "Orders per minute fell by half"},
        "startsAt": SystemClock().now().isoformat(),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": "00000000deadbeef",
    }
    payload = {
        "version": "4",
        "groupKey": "{}",
        "status": "firing",
        "receiver": "sentinel",
        "groupLabels": {},
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "",
        "truncatedAlerts": 0,
        "alerts": [alert],
    }
    url = f"{staged.application.http.url}/webhooks/alertmanager"
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.post(url, json=payload) as response:
        response.raise_for_status()


async def _stay(staged: DemoStage, console: Console) -> None:
    console.print(
        f"\nStill running. In another terminal:\n\n  export KUBECONFIG={staged.kubeconfig}", soft_wrap=True
    )
    story = staged.stories[0]
    console.print(f"  kubectl -n {NAMESPACE} get {story.shape.kind}s,rolloutrecords")
    if not story.shape.registry:  # a recorded controller does no more than it did then
        member, image = story.members[-1], f"{story.service}:1.2"
        console.print(f"  kubectl -n {NAMESPACE} set image {story.shape.kind}/{member} main={image}")
    console.print(
        f"\nWeb page: {staged.application.page.url}   Webhook, health and metrics: {staged.application.http.url}   "
        "Ctrl-C stops it.",
        soft_wrap=True,
    )
    await asyncio.Event().wait()
