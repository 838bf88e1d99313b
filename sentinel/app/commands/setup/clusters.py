"""Whether one Alertmanager has alerts of several clusters, and which of them is this one."""

import asyncio
from collections.abc import Iterable, Mapping

import aiohttp
import orjson

from sentinel.app.commands.setup.checks import Check, ok, warn
from sentinel.app.wiring.sources import Sources
from sentinel.domain.errors import SourceError
from sentinel.settings.sections import ClusterSettings

ALERTS_PATH = "/api/v2/alerts"

_NAME = "cluster of alerts"
_TIMEOUT = 5.0
_MAX_ANSWER = 64 * 1024 * 1024
_SHOWN = 5
_REMEDY = "set cluster.name to the value in this cluster's own alerts, and cluster.label if the label is not `cluster`"

Values = Mapping[str, frozenset[str]]
"""The values of each label that is about clusters."""


async def alerts_check(here: ClusterSettings, sources: Sources, address: str) -> Check:
    """The clusters in the Alertmanagers' present alerts, compared with the settings.

    `address` is an Alertmanager's; if empty, those that Prometheus posts to are asked.
    """
    try:
        urls = (f"{address.rstrip('/')}{ALERTS_PATH}",) if address else await _known(sources)
        answers = await asyncio.gather(*(_alerts(url) for url in urls))
    except SourceError as error:
        return _unasked(str(error))
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return _unasked(f"Alertmanager does not answer: {error or type(error).__name__}")
    if not urls:
        return _unasked("Prometheus names no Alertmanager")
    return judged(here, seen(labels for answer in answers for labels in answer))


def seen(alerts: Iterable[Mapping[str, object]]) -> Values:
    """The values of every label with `cluster` in its name, by label."""
    values: dict[str, set[str]] = {}
    for labels in alerts:
        for label, value in labels.items():
            if "cluster" in label.lower() and isinstance(value, str) and value:
                values.setdefault(label, set()).add(value)
    return {label: frozenset(found) for label, found in values.items()}


def judged(here: ClusterSettings, values: Values) -> Check:
    """A warning if there are several clusters and no setting says which one this is, or if it fits no alert."""
    if here.name is not None:
        found = values.get(here.label, frozenset())
        if found and here.name not in found:
            text = f"no present alert has {here.label}={here.name}; the values are {_listed(found)}"
            return warn(_NAME, text, "check that cluster.name is spelled like the external label")
        return ok(_NAME, f"alerts with another {here.label} than {here.name} are ignored")
    several = {label: found for label, found in sorted(values.items()) if len(found) > 1}
    if several:
        listed = "; ".join(f"{label}: {_listed(found)}" for label, found in several.items())
        text = f"Alertmanager has alerts of several clusters ({listed}), and all count as this cluster's"
        return warn(_NAME, text, _REMEDY)
    return ok(_NAME, "cluster.name is not set, and the present alerts are of one cluster")


def _unasked(why: str) -> Check:
    return warn(
        _NAME,
        f"unknown whether Alertmanager has alerts of several clusters: {why}",
        "name Alertmanager: --alertmanager URL",
    )


def _listed(values: Iterable[str]) -> str:
    names = sorted(values)
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


async def _known(sources: Sources) -> tuple[str, ...]:
    return await sources.rules.alertmanagers() if sources.rules is not None else ()


async def _alerts(url: str) -> list[Mapping[str, object]]:
    """The labels of each alert that an Alertmanager has now. Raises ValueError for another answer."""
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
        body = await answer.content.read(_MAX_ANSWER)
    alerts = orjson.loads(body) if answer.ok else None
    if isinstance(alerts, list):
        labels = [alert.get("labels") for alert in alerts if isinstance(alert, Mapping)]
        return [one for one in labels if isinstance(one, Mapping)]
    raise ValueError(f"{url} answered {answer.status} without a list of alerts")
