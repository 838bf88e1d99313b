"""How patient a watch is."""

from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class WatchTiming:
    """The reflector's patience, all in seconds but `page` (the most objects of one).

    `watch_for` is the server-side timeout of one watch (up to half as much again is added, so that watches of
    many replicas do not end together). `silence` is how long a watch may say nothing, bookmarks included, before
    its connection is taken for dead. `refused_for` is the wait before an optional resource is asked for again.
    `streams`: the state is asked for as a stream, and in pages where a server refuses, or the stream says nothing for
    `stream_timeout` before the state's end.
    """

    page: int = 500
    list_timeout: float = 30.0
    stream_timeout: float = 10.0
    watch_for: float = 240.0
    silence: float = 75.0
    healthy_after: float = 10.0
    refused_for: float = 300.0
    streams: bool = True
