"""Whole rollouts with a real Prometheus and a real Alertmanager, all at once: one test tells how one of them ended.

The stories run on real time, concurrently, in three shops: a workload's alert counts as part of a storm where two
more workloads of the same cluster have one, and one story takes its Prometheus away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
import pytest_asyncio

from clustersim.faults import FaultKind, InjectedFault
from clustersim.metrics.requests import Quality
from clustersim.node.behaviour import crash_loop
from sentinel.domain.alert import AlertStatus
from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.engine.rollout import decision as deciding
from tests.e2e.shops import STORIES_LIMIT, TOKEN, Scraping, Shop, shop
from tests.support.processes import binary
from tests.support.world import actions, decision

pytestmark = [
    pytest.mark.real,
    pytest.mark.real_time,
    pytest.mark.timeout(STORIES_LIMIT),
    pytest.mark.asyncio(loop_scope="module"),
]

SERVICES = {
    "metrics": {"catalog": 10, "checkout": 5, "search": 5, "cart": 5, "offers": 5, "basket": 5},
    "alerts": {"reviews": 5, "news": 5, "stock": 5},
    "failures": {"till": 5, "press": 5},
}
SLUGGISH = Quality(errors=0.003, latency=0.4)
"""Slow enough for the alert on single pods, and well within the policy's limit."""

Story = Callable[[Shop], Awaitable[Record]]
STORIES: dict[str, tuple[str, Story]] = {}


def in_shop(name: str) -> Callable[[Story], Story]:
    """Have a story told in one of the shops; it ends with the record of its rollout."""

    def register(story: Story) -> Story:
        STORIES[getattr(story, "__name__", "")] = (name, story)
        return story

    return register


class Stories:
    """The shops, and the stories under way in them."""

    def __init__(self, shops: dict[str, Shop]) -> None:
        self.shops = shops
        self._tasks = {
            name: asyncio.ensure_future(story(shops[place])) for name, (place, story) in STORIES.items()
        }

    async def end_of(self, name: str) -> tuple[Shop, Record]:
        """How a story ended, and where."""
        return self.shops[STORIES[name][0]], await self._tasks[name]

    async def stop(self) -> None:
        """Cut short what nobody waits for."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stories(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stories]:
    """All shops opened at once, then all stories begun.

    The calm after a hold takes seconds here, not a minute. Evidence may be missing for longer than a busy machine
    delays a scrape: only the outage of Prometheus may hold a rollout for that.
    """
    binary("prometheus")
    binary("prometheus-alertmanager", "alertmanager")
    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(deciding, "CALM_FOR", timedelta(seconds=3))
        patch.setattr(deciding, "MISSING_FOR", timedelta(seconds=15))
        opened = await asyncio.gather(
            *(
                stack.enter_async_context(
                    shop(tmp_path_factory.mktemp(name), services, Scraping(discovered=name == "metrics"))
                )
                for name, services in SERVICES.items()
            )
        )
        told = Stories(dict(zip(SERVICES, opened, strict=True)))
        stack.push_async_callback(told.stop)
        yield told


@in_shop("metrics")
async def catalog(shop: Shop) -> Record:
    """A release that is as good as the one before."""
    shop.release("catalog")
    rests_at = {1: "10 %", 5: "50 %"}
    for pods, share in rests_at.items():

        def resting(pods: int = pods) -> bool:
            return shop.pods("catalog")[1] == pods and shop.world.paused("catalog")

        await shop.until(resting, f"catalog rests at {share}")
    return await shop.phase(Phase.PROMOTED, "catalog")


async def test_a_good_release_is_promoted_through_its_steps(stories: Stories) -> None:
    """It rests at 10 % and 50 % of the pods, is promoted at 100 %, and nothing is left paused."""
    shop, record = await stories.end_of("catalog")
    assert actions(record) == ["advance", "advance", "promote"]
    assert shop.pods("catalog") == (0, 10)
    assert not shop.world.paused("catalog")


@in_shop("metrics")
async def checkout(shop: Shop) -> Record:
    """A release that fails 12 % of its requests."""
    shop.release("checkout", Quality(errors=0.12))
    return await shop.phase(Phase.UNDONE, "checkout")


async def test_a_release_with_errors_is_undone_at_its_first_step(stories: Stories) -> None:
    """The one candidate pod's errors, scraped by a real Prometheus, lead back to the old image."""
    shop, record = await stories.end_of("checkout")
    undo = decision(record, Action.UNDO)
    assert (undo.rule, undo.step) == ("error-rate", 0)
    assert shop.pods("checkout") == (5, 0)
    assert not shop.world.paused("checkout")


@in_shop("metrics")
async def search(shop: Shop) -> Record:
    """A release that takes 2 s to answer."""
    shop.release("search", Quality(latency=2.0, spread=0.3))
    return await shop.phase(Phase.UNDONE, "search")


async def test_a_slow_release_is_undone_at_its_first_step(stories: Stories) -> None:
    """The candidate's histogram alone is over the limit, so it goes back."""
    shop, record = await stories.end_of("search")
    undo = decision(record, Action.UNDO)
    assert (undo.rule, undo.step) == ("latency", 0)
    assert shop.pods("search") == (5, 0)


@in_shop("metrics")
async def cart(shop: Shop) -> Record:
    """A release whose pods crash as they start."""
    shop.world.cluster.behave("cart:2", crash_loop())
    shop.release("cart")
    return await shop.phase(Phase.UNDONE, "cart")


async def test_a_crash_loop_is_undone_at_once(stories: Stories) -> None:
    """It needs no metrics and no bake: the step was never reached."""
    shop, record = await stories.end_of("cart")
    undo = decision(record, Action.UNDO)
    assert (undo.rule, undo.step) == ("crash-loop", 0)
    assert record.state.progress.reached_at is None
    assert shop.pods("cart") == (5, 0)


@in_shop("metrics")
async def offers(shop: Shop) -> Record:
    """A release that is slower than an alert on its pod allows, though within every rule."""
    shop.release("offers", SLUGGISH)
    return await shop.phase(Phase.UNDONE, "offers")


async def test_an_alert_on_a_pod_of_the_candidate_undoes_it(stories: Stories) -> None:
    """Prometheus' rule fires for one pod, Alertmanager posts it with the token, and the pod is the candidate's."""
    shop, record = await stories.end_of("offers")
    assert decision(record, Action.UNDO).rule == "alert SlowAnswers"
    (alert,) = record.alerts
    assert record.stable is not None
    assert not alert.labels["pod"].startswith(f"offers-{record.stable.hash}-")
    assert alert.verdict == "undo: Alert"
    assert shop.pods("offers") == (5, 0)


@in_shop("metrics")
async def basket(shop: Shop) -> Record:
    """A release that turns clients away, which only an alert on the Deployment sees."""
    shop.release("basket", Quality(errors=0.3, error_code="429"))
    return await shop.phase(Phase.UNDONE, "basket")


async def test_an_alert_on_the_deployment_alone_undoes_it(stories: Stories) -> None:
    """Without a pod it counts because what it shows began after the rollout: its rule's `for:` is looked up."""
    shop, record = await stories.end_of("basket")
    assert decision(record, Action.UNDO).rule == "alert ClientsTurnedAway"
    (alert,) = record.alerts
    assert "pod" not in alert.labels
    assert alert.pending_for == 1.0
    assert shop.pods("basket") == (5, 0)


@in_shop("alerts")
async def news(shop: Shop) -> Record:
    """A release that is faster than the old pods, which become slow meanwhile and are alerted on."""
    shop.release("news")
    await shop.phase(Phase.BAKING, "news")
    shop.world.cluster.serve("news:1", SLUGGISH)
    return await shop.phase(Phase.PROMOTED, "news")


async def test_alerts_on_pods_of_the_baseline_do_not_undo(stories: Stories) -> None:
    """They are recorded as another revision's, and the release that mends them is promoted."""
    shop, record = await stories.end_of("news")
    assert actions(record) == ["advance", "advance", "promote"]
    assert record.stable is not None
    assert record.alerts
    assert all(a.labels["pod"].startswith(f"news-{record.stable.hash}-") for a in record.alerts)
    assert {a.verdict for a in record.alerts} <= {"none: OtherRevision", ""}
    assert shop.pods("news") == (0, 5)


@in_shop("alerts")
async def reviews(shop: Shop) -> Record:
    """An outage that hits old and new pods alike."""
    shop.release("reviews")
    await shop.phase(Phase.BAKING, "reviews")
    for image in ("reviews:1", "reviews:2"):
        shop.world.cluster.serve(image, Quality(errors=0.4))
    return await shop.phase(Phase.HELD, "reviews")


async def test_an_outage_of_both_arms_is_held_not_undone(stories: Stories) -> None:
    """Nothing moves, a human is told, and while the outage lasts neither undo nor promotion follows."""
    shop, record = await stories.end_of("reviews")
    hold = decision(record, Action.HOLD)
    assert (hold.reason, hold.escalated) == ("EnvironmentOutage", True)
    await stories.end_of("news")
    record = await shop.phase(Phase.HELD, "reviews")
    assert actions(record) == ["hold"]
    assert shop.pods("reviews") == (5, 1)


@in_shop("alerts")
async def stock(shop: Shop) -> Record:
    """An alert that cannot be attributed comes, and goes again."""
    shop.release("stock")
    await shop.phase(Phase.BAKING, "stock")
    labels, now = {"alertname": "StockMismatch", "deployment": "stock"}, datetime.now(UTC)
    await shop.alert(labels, now)
    await shop.phase(Phase.HELD, "stock")
    await shop.alert(labels, now, resolved=True)
    return await shop.phase(Phase.PROMOTED, "stock")


async def test_a_resolved_alert_is_withdrawn(stories: Stories) -> None:
    """Held for an alert that may be older than the rollout, resumed when Alertmanager says that it is over."""
    _, record = await stories.end_of("stock")
    held = [(entry.reason, entry.message) for entry in record.decisions if entry.action is Action.HOLD]
    assert [reason for reason, _ in held] == ["MayHaveBegunBefore"], held
    assert actions(record) == ["hold", "resume", "advance", "advance", "promote"]
    assert [a.status for a in record.alerts] == [AlertStatus.RESOLVED]


@in_shop("failures")
async def till(shop: Shop) -> Record:
    """The alert comes while the API server fails to write the rollout's record."""
    shop.release("till")
    await shop.phase(Phase.BAKING, "till")
    faults = shop.world.cluster.faults
    failing = faults.add(
        InjectedFault(FaultKind.ERROR, frozenset({"update", "patch"}), r"rolloutrecords/till")
    )
    await shop.alert({"alertname": "TillStuck", "pod": shop.candidate_pod("till")}, datetime.now(UTC))
    async with asyncio.timeout(120):
        while await shop.posts(503) < 2:  # noqa: ASYNC110 - Alertmanager does not tell of its retries
            await asyncio.sleep(0.1)
    record = shop.world.record("till")
    assert record is not None
    assert not record.alerts
    faults.remove(failing)
    return await shop.phase(Phase.UNDONE, "till")


async def test_an_alert_that_could_not_be_recorded_is_not_lost(stories: Stories) -> None:
    """Alertmanager is told 503 until the record is written, tries again, and the alert undoes the release."""
    shop, record = await stories.end_of("till")
    assert [a.name for a in record.alerts] == ["TillStuck"]
    assert decision(record, Action.UNDO).rule == "alert TillStuck"
    assert shop.pods("till") == (5, 0)


@in_shop("failures")
async def press(shop: Shop) -> Record:
    """Prometheus goes away in the middle of a good rollout and comes back."""
    shop.release("press")
    await shop.phase(Phase.BAKING, "press")
    await shop.prometheus.down()
    await shop.phase(Phase.HELD, "press")
    assert shop.pods("press") == (5, 1)
    await shop.prometheus.up()
    return await shop.phase(Phase.PROMOTED, "press")


async def test_a_rollout_waits_for_prometheus_and_goes_on(stories: Stories) -> None:
    """Without evidence nothing is promoted and nothing undone; with it the rollout is carried to its end."""
    _, record = await stories.end_of("press")
    assert decision(record, Action.HOLD).reason == "EvidenceMissing"
    assert actions(record) == ["hold", "resume", "advance", "advance", "promote"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": f"Bearer {TOKEN}x"}], ids=["none", "wrong"])
async def test_no_alert_is_taken_without_the_token(stories: Stories, headers: dict[str, str]) -> None:
    """The webhook that the real Alertmanager posts to refuses whoever does not show its token."""
    webhook = stories.shops["alerts"].webhook
    async with aiohttp.ClientSession() as session, session.post(webhook, json={}, headers=headers) as answer:
        assert answer.status == 401
