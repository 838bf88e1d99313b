"""How often one client may post: a token bucket for each, bounded in number."""

from sentinel.bounded import BoundedDict
from sentinel.values import dataclass

MAX_CLIENTS = 1024


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class TokenBuckets:
    """`rate` posts a second on the long run and `burst` of them at once, for each client.

    Beyond `MAX_CLIENTS`, the clients that were silent longest are forgotten: a client with that many addresses is
    bounded by the number of requests in flight instead.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: BoundedDict[str, _Bucket] = BoundedDict(MAX_CLIENTS)

    def take(self, client: str, now: float) -> float:
        """Take one; 0 when it may pass, else after how many seconds the next one may."""
        bucket = self._buckets.get(client) or _Bucket(self._burst, now)
        self._buckets[client] = bucket
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._rate)
        bucket.at = now
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self._rate
        bucket.tokens -= 1
        return 0.0

    def __len__(self) -> int:
        """How many clients are remembered."""
        return len(self._buckets)
