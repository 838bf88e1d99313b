"""What these sources have in common: a pool of threads, one deadline, and no counters (some count by the minute)."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NoReturn

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from sentinel.blocking import BlockingPool, ask_source
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, Past, PastCounters, Span, ValueSample
from sentinel.domain.policy.rules import CountQuery, HistogramQuery, ValueQuery
from sentinel.minutes import Counted, minute_of, pasts_of, spans_of, whole_minutes
from sentinel.requesting import proxies_of, retry_after, root_cause
from sentinel.values import dataclass

MAX_ANSWER = 4 * 1024 * 1024
"""So many bytes of an answer are read; numbers for a condition take a few hundred."""

CountMinutes = Callable[[CountQuery, int, int, int], Sequence[Counted]]
"""What a query counts between two Unix times, in buckets of so many seconds. Blocks; raises SourceError."""

Ask = Callable[[str, datetime], Sequence[float | None]]
"""The numbers that an expression gives at a time, None for one that is not there. Blocks; raises SourceError."""


class QuerySource:
    """Implements `ports.MetricSource` for `query` rules, and for `errorRate` rules where it can `count`.

    Nothing here has histograms of pods.
    """

    min_interval = 0.0
    extents = None

    def __init__(
        self,
        name: str,
        ask: Ask,
        *,
        count: CountMinutes | None = None,
        settle: float = 0.0,
        timeout: float,
        threads: int,
    ) -> None:
        self.name = name
        self.settle = settle
        self._ask = ask
        self._count = count
        self._timeout = timeout
        self._pool = BlockingPool(name, threads=threads)

    def close(self) -> None:
        """Take no more questions."""
        self._pool.close()

    async def value(self, query: ValueQuery, at: datetime) -> ValueSample:
        """The numbers of a query. One that is not there, or not finite, makes it missing. Raises SourceError."""
        found = await ask_source(
            self._pool, lambda: self._ask(query.expression, at), deadline=self._timeout, source=self.name
        )
        return ValueSample.of(at, found, scalar=len(found) == 1)

    async def counts(self, query: CountQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """What every pod or version counted in the whole minutes from `since`'s to before `until`'s.

        Raises SourceError, NOT_SETTLED where no whole minute lies between them.
        """
        count = self._counting()
        begin, end = whole_minutes(since, until, self.name)
        counted = await self._counted(count, query, begin, end, end - begin)
        return spans_of(counted, query.arms, begin, end)

    async def histogram(self, query: HistogramQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Raises SourceError: there are no histograms of pods."""
        self._refuse()

    async def histories(
        self, query: CountQuery | HistogramQuery, pasts: Sequence[Past]
    ) -> tuple[PastCounters, ...]:
        """Each pod's counts of whole minutes, added up. Raises SourceError."""
        if isinstance(query, HistogramQuery):
            self._refuse()
        begin, end = (minute_of(at) for at in (min(p.since for p in pasts), max(p.until for p in pasts)))
        step = int(pasts[0].step.total_seconds())
        return pasts_of(await self._counted(self._counting(), query, begin, end, step), pasts)

    def _counting(self) -> CountMinutes:
        if self._count is None:
            self._refuse()
        return self._count

    async def _counted(
        self, count: CountMinutes, query: CountQuery, begin: int, end: int, step: int
    ) -> Sequence[Counted]:
        return await ask_source(
            self._pool, lambda: count(query, begin, end, step), deadline=2 * self._timeout, source=self.name
        )

    def _refuse(self) -> NoReturn:
        answers = "query and errorRate rules" if self._count is not None else "query rules"
        raise SourceError(f"{self.name} answers {answers} only.", reason=MissingReason.BAD_QUERY)


@dataclass(frozen=True, slots=True)
class JsonRequests:
    """Requests whose answers are JSON. Redirects are not followed, and netrc is not read.

    `proxy` is an address, or `environment` for that of HTTPS_PROXY. `ca_file` replaces the system's authorities.
    """

    timeout: float
    proxy: str | None = None
    ca_file: str | None = None

    def answer(self, method: str, url: str, headers: Mapping[str, str], body: object = None) -> object:
        """The JSON of a 2xx answer. Blocks; raises SourceError."""
        with requests.Session() as session:
            session.trust_env = False
            session.verify = self.ca_file or True
            session.proxies = dict(proxies_of(self.proxy, url))
            try:
                response = session.request(
                    method,
                    url,
                    headers=dict(headers),
                    json=body,
                    timeout=self.timeout,
                    allow_redirects=False,
                    stream=True,
                )
                text = response.raw.read(MAX_ANSWER + 1, decode_content=True)
            except (requests.Timeout, ReadTimeoutError) as error:
                raise _failed(url, "did not answer in time", MissingReason.SOURCE_TIMEOUT) from error
            except requests.exceptions.InvalidHeader as error:
                what = "was not asked: a header or a secret in it has a character that no header can carry"
                raise _failed(url, what, MissingReason.SOURCE_REFUSED) from error
            except (OSError, HTTPError, ValueError) as error:
                through = " through the proxy" if isinstance(error, requests.exceptions.ProxyError) else ""
                what = f"cannot be reached{through}: {root_cause(error)[:200]}"
                raise _failed(url, what, MissingReason.SOURCE_UNREACHABLE) from error
        if not 200 <= response.status_code < 300:
            raise _refused(url, response)
        if len(text) > MAX_ANSWER:
            raise _failed(url, "sent an answer of more than 4 MiB", MissingReason.SOURCE_REFUSED)
        try:
            found: object = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _failed(url, "did not answer with JSON", MissingReason.SOURCE_REFUSED) from error
        return found


def _failed(url: str, what: str, reason: MissingReason) -> SourceError:
    return SourceError(f"{url.partition('?')[0]} {what}.", reason=reason)


def _refused(url: str, response: requests.Response) -> SourceError:
    status = response.status_code
    error = _failed(url, f"answered HTTP {status}{_hint(status)}", _meaning(status))
    error.retry_after = retry_after(response.headers)
    return error


def _hint(status: int) -> str:
    if status in (401, 403):
        return ": it rejects our credentials"
    if status == 407:
        return ": its proxy wants credentials; put them into HTTPS_PROXY, and set proxy: environment"
    return ": it redirects to another address, which is not followed" if 300 <= status < 400 else ""


def _meaning(status: int) -> MissingReason:
    if status == 429:
        return MissingReason.RATE_LIMITED
    if status in (400, 404, 422):
        return MissingReason.BAD_QUERY
    return MissingReason.SOURCE_UNREACHABLE if status in (502, 503, 504) else MissingReason.SOURCE_REFUSED
