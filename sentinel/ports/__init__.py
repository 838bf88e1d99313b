"""What the runtime needs of the world outside, as protocols. Adapters and the simulation implement them."""

from sentinel.ports.clock import Clock, SystemClock
from sentinel.ports.cluster import (
    Cluster,
    CommandRequests,
    CommandStore,
    FreezeStore,
    HistoryStore,
    Jobs,
    Keepers,
    LeaseDirectory,
    LeaseStore,
    RecordStore,
)
from sentinel.ports.judging import (
    AlertIntake,
    AlertRules,
    Conditions,
    Extents,
    GateCaller,
    MetricSource,
    PolicySource,
)
from sentinel.ports.reading import ReadModel
from sentinel.ports.reporting import Broadcaster, Channel, Notifier, NullTracer, Telemetry, Tracer
from sentinel.ports.reverting import Forge, Forges, SourceHistory

__all__ = [
    "AlertIntake",
    "AlertRules",
    "Broadcaster",
    "Channel",
    "Clock",
    "Cluster",
    "CommandRequests",
    "CommandStore",
    "Conditions",
    "Extents",
    "Forge",
    "Forges",
    "FreezeStore",
    "GateCaller",
    "HistoryStore",
    "Jobs",
    "Keepers",
    "LeaseDirectory",
    "LeaseStore",
    "MetricSource",
    "Notifier",
    "NullTracer",
    "PolicySource",
    "ReadModel",
    "RecordStore",
    "SourceHistory",
    "SystemClock",
    "Telemetry",
    "Tracer",
]
