"""The web page in a real browser, over records in memory."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from sentinel.domain.command import CommandPhase
from sentinel.domain.policy.rules import CountQuery, ErrorRateRule
from sentinel.domain.record.course import Course, CoursePoint
from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from tests.engine.builders import CANARY, entry, held, in_state, undoing
from tests.support.chromium import chromium, shots, tab
from tests.support.page import NOW, ONCALL, named, served

pytestmark = [
    pytest.mark.real,
    pytest.mark.real_time,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all of these tests."""
    async with chromium() as started:
        yield started


async def test_the_board_follows_what_happens(browser: Browser) -> None:
    """A rollout that begins, is held and ends is seen without a reload, and a freeze is said."""
    async with served([named("web")]) as here, tab(browser, here.url) as page:
        row = page.get_by_role("row").filter(has_text="web")
        await expect(row).to_contain_text("Progressing")

        here.put(named("web", of=held("EnvironmentOutage")), named("cart"))
        await expect(row).to_contain_text("Held")
        await expect(page.get_by_role("row").filter(has_text="cart")).to_be_visible()

        here.remarks.append("frozen by am: the sentinel changes nothing until `sentinel unfreeze`")
        over = in_state(Phase.UNDONE, ended_at=NOW)
        here.put(named("web", of=over))
        await expect(row).to_have_count(0)
        await expect(page.get_by_text("frozen by am")).to_be_visible()


async def test_a_rollout_s_page_shows_each_decision_with_its_numbers(browser: Browser) -> None:
    """By the keyboard alone from the board to the numbers of a decision that comes in meanwhile."""
    async with served([named("web")]) as here, tab(browser, here.url) as page:
        await page.get_by_role("link", name="web").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="web", exact=True)).to_be_visible()

        numbers = {"candidate_total": 1200, "candidate_errors": 60, "limit": 0.01, "odds": 4096.0}
        undo = entry(Action.UNDO, "WorseThanBaseline", 60, rule="error-rate", numbers=numbers)
        here.put(named("web", of=replace(undoing(), decisions=(undo,))))
        await expect(page.get_by_text("undo by error-rate")).to_be_visible()
        await expect(page.get_by_text("5% (60 of 1,200 requests failed)")).to_be_visible()

        await page.get_by_text("Numbers (4)").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("4096", exact=True)).to_be_visible()


async def test_the_course_of_the_evidence_is_drawn_and_can_be_read(browser: Browser) -> None:
    """By the arrow keys, point after point, in all plots at once; and as a table."""
    web = changed_course(named("web", ago=600))
    async with served([web]) as here, tab(browser, f"{here.url}rollouts/shop/web-new") as page:
        plots = page.get_by_role("slider")
        await expect(plots).to_have_count(3)
        share = page.get_by_role("slider", name="error-rate: share of failed requests over time")
        await share.focus()
        await page.keyboard.press("Home")
        await page.keyboard.press("ArrowRight")
        await expect(share).to_have_attribute("aria-valuetext", "11:51:15 UTC: canary 2%, baseline 1%")
        evidence = page.get_by_role("slider", name="error-rate: evidence over time")
        await expect(evidence).to_have_attribute("aria-valuetext", re.compile("worse 1.6:1"))

        await page.get_by_text("error-rate as a table").click()
        row = page.get_by_role("row").filter(has_text="2026-03-01 11:51:15")
        await expect(row).to_contain_text("2%2001%1,8001.6:1")


def changed_course(record: Record) -> Record:
    """The record of a rollout whose errors rose from 2 % to 12 %."""
    course = Course(NOW - timedelta(seconds=540), "share", 0.05, 4.605)
    for tick in range(30):
        at, bad = NOW + timedelta(seconds=15 * tick - 540), tick > 12
        evidence = 0.45 * (tick - 12) if bad else 0.5
        course = course.after(CoursePoint(at, 0.1, 0.12 if bad else 0.02, 200, 0.01, 1800, evidence))
    return replace(record, state=replace(record.state, course={"error-rate": course}))


async def test_what_the_rules_find_at_the_traffic_is_said(browser: Browser) -> None:
    """From the list of workloads to the policy of one: how soon which fault is proven at each step."""
    policy = replace(CANARY, rules=(ErrorRateRule("error-rate", CountQuery("prometheus", "t", "e"), 0.05),))
    async with served([changed_course(named("web"))], [policy]) as here, tab(browser, here.url) as page:
        await page.get_by_role("link", name="Workloads").click()
        await expect(page.get_by_text("+10% errors in 45s")).to_be_visible()
        await page.get_by_role("link", name="web").click()
        row = page.get_by_role("row").filter(has_text="+25% errors")
        await expect(row).to_contain_text(re.compile(r"15s / 15s"))
        await expect(page.get_by_role("row").filter(has_text="+1% errors")).to_contain_text(
            "within the limit"
        )


ALICE = {"X-Forwarded-User": "alice", "X-Forwarded-Groups": "oncall"}
"""What a proxy on the loopback says of everybody who looks at the page."""


async def test_a_person_undoes_by_the_keyboard_and_sees_the_answer(browser: Browser) -> None:
    """The dialog says what would be restored and asks for a reason; escape leaves it without having done anything."""
    async with (
        served([named("web")], visitors=ONCALL) as here,
        tab(browser, f"{here.url}rollouts/shop/web-new", extra_http_headers=ALICE) as page,
    ):
        await page.get_by_role("button", name="Undo").focus()
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Undo this rollout?")
        await expect(dialog).to_contain_text("It goes back to revision 1")
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(dialog).to_be_visible()
        assert not here.desk.commands

        await page.get_by_label("Reason").fill("errors on the checkout")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(dialog).to_be_hidden()
        await expect(page.get_by_text("waiting for the sentinel")).to_be_visible()
        (command,) = here.desk.commands.values()
        assert (command.requested_by, command.reason) == ("web:alice", "errors on the checkout")
        here.desk.answer(command.name, CommandPhase.REFUSED, "an undo is under way")
        await expect(page.get_by_text("refused: an undo is under way")).to_be_visible()


async def test_a_refusal_stays_in_the_dialog(browser: Browser) -> None:
    """With what is wrong, so that what was written is not lost."""
    async with (
        served([named("web")], visitors=ONCALL) as here,
        tab(browser, f"{here.url}rollouts/shop/web-new", refused=True, extra_http_headers=ALICE) as page,
    ):
        here.desk.down = True
        await page.get_by_role("button", name="Hold").click()
        await page.get_by_label("Reason").fill("odd")
        await page.get_by_role("dialog").get_by_role("button", name="Hold").click()
        await expect(page.get_by_role("alert")).to_contain_text("the API server is down")
        await expect(page.get_by_label("Reason")).to_have_value("odd")


async def test_who_may_not_write_sees_why_and_no_button(browser: Browser) -> None:
    """And where nobody may, there is nothing about it at all."""
    bob = {"X-Forwarded-User": "bob", "X-Forwarded-Groups": "dev"}
    async with served([named("web")], visitors=ONCALL) as here:
        place = f"{here.url}rollouts/shop/web-new"
        async with tab(browser, place, extra_http_headers=bob) as page:
            await expect(page.get_by_text("bob may not write in shop")).to_be_visible()
            await expect(page.get_by_role("button")).to_have_count(0)
    async with served([named("web")]) as here, tab(browser, f"{here.url}rollouts/shop/web-new") as page:
        await expect(page.get_by_text("Triggered by")).to_be_visible()
        await expect(page.get_by_role("heading", name="Commands")).to_have_count(0)


async def test_a_thousand_rollouts_are_shown_without_lag(browser: Browser) -> None:
    """A hundred rows at a time; each further event, with a hundred changes, is drawn within a tenth of a second."""
    records = [named(f"web-{number:04}", ago=number) for number in range(1000)]
    async with served(records) as here, tab(browser, here.url) as page:
        await expect(page.get_by_text("1,000 rollouts")).to_be_visible()
        assert await page.locator("tbody tr").count() == 100
        await page.evaluate(
            "new PerformanceObserver((list) => { window.longest = Math.max(window.longest ?? 0,"
            " ...list.getEntries().map((one) => one.duration)); }).observe({type: 'longtask'})"
        )

        here.put(*(named(f"web-{number:04}", ago=number, of=held("Alert")) for number in range(100)))
        await expect(page.get_by_text("100 held")).to_be_visible()
        await expect(page.locator("#said")).to_have_text("100 rollouts have another standing now")
        await page.get_by_role("searchbox").fill("0999")
        await expect(page.locator("tbody tr")).to_have_count(1)
        print("longest task in ms:", await page.evaluate("window.longest ?? 0"))


async def test_the_history_is_searched_on_the_server(browser: Browser) -> None:
    """Words narrow all rollouts on record down, whatever their state."""
    ended = [
        named(f"old-{number}", ago=3600 + number, of=in_state(Phase.UNDONE, ended_at=NOW))
        for number in range(150)
    ]
    async with served([named("web"), *ended]) as here, tab(browser, here.url) as page:
        await page.get_by_role("link", name="History").click()
        await expect(page.get_by_text("151 rollouts")).to_be_visible()
        await page.keyboard.press("/")
        await page.keyboard.type("undone old-149")
        await expect(page.get_by_text("1 rollout", exact=True)).to_be_visible()
        await page.get_by_role("link", name="old-149").click()
        await expect(page.get_by_role("heading", name="old-149")).to_be_visible()


async def test_a_reason_is_a_link_to_what_it_means(browser: Browser) -> None:
    """With what to do about it; an address that names no reason says so, and lists them all."""
    web = named("web", of=held("EnvironmentOutage"))
    async with served([web]) as here, tab(browser, f"{here.url}rollouts/shop/web-new") as page:
        await page.get_by_role("link", name="EnvironmentOutage").first.click()
        await expect(page.get_by_role("heading", name="EnvironmentOutage")).to_be_visible()
        await expect(page.get_by_role("region", name="EnvironmentOutage")).to_contain_text("What to do")
        await page.goto(f"{here.url}reasons/Nonsense")
        await expect(page.get_by_text("This release knows no such reason.")).to_be_visible()
        await expect(page.get_by_role("link", name="EvidenceMissing")).to_be_visible()


async def test_hostile_texts_are_nothing_but_text(browser: Browser) -> None:
    """Markup in a message is shown as it is written, and runs nothing."""
    text = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
    told = named("web", of=in_state(message=text))
    async with served([told]) as here, tab(browser, here.url) as page:
        await expect(page.get_by_role("row").filter(has_text="onerror")).to_be_visible()
        assert await page.title() != "run"
        assert await page.locator("main img").count() == 0


async def test_a_lost_connection_is_said_and_found_again(browser: Browser) -> None:
    """What is no longer live does not look live."""
    async with served([named("web")]) as here, tab(browser, here.url, refused=True) as page:
        await expect(page.get_by_text("live · sentinel-1 leads")).to_be_visible()
        await here.stop()
        await expect(page.get_by_text("no longer live")).to_be_visible()
        here.leads = False
        await here.start()
        await expect(page.get_by_text("sentinel-1 stands by")).to_be_visible()


async def test_pictures_fit_and_keep_nobody_out(browser: Browser) -> None:
    """At 360 and 1280 pixels, light and dark, nothing overflows, and axe-core finds nothing."""
    numbers = {"candidate_total": 1200, "candidate_errors": 60, "limit": 0.01, "odds": 4096.0}
    steps = (
        entry(Action.START, "NewRevision"),
        entry(Action.ADVANCE, "WithinLimit", 60, rule="error-rate", numbers=numbers),
    )
    web = replace(named("web", of=held("EnvironmentOutage")), decisions=steps)
    web = changed_course(web)
    async with served([web, named("api"), named("cart", of=undoing())], visitors=ONCALL) as here:
        place = f"{here.url}rollouts/shop/web-new"
        await shots(browser, place, "dialog", ".decisions li", press="Undo", extra_http_headers=ALICE)
        await shots(browser, here.url, "board", "tbody tr")
        await shots(browser, f"{here.url}history", "history", "tbody tr")
        await shots(browser, f"{here.url}workloads", "workloads", "tbody tr")
        await shots(browser, f"{here.url}delivery", "delivery", "tbody tr")
        await shots(browser, f"{here.url}reasons/EnvironmentOutage", "reason", "dl.reasons dt")
        await shots(browser, f"{here.url}rollouts/shop/web-new", "rollout", ".decisions li")
