"""The tracer that the settings name; what it needs is installed only where it is wanted."""

from contextlib import AsyncExitStack

from sentinel.domain.errors import ConfigurationError
from sentinel.ports import NullTracer, Tracer
from sentinel.settings import Settings


def tracer_of(settings: Settings, resources: AsyncExitStack) -> Tracer:
    """The tracer. Raises ConfigurationError where an endpoint is named and OpenTelemetry is not installed."""
    tracing = settings.tracing
    if tracing.endpoint is None:
        return NullTracer()
    try:
        from sentinel.adapters.otel.tracer import OpenTelemetryTracer
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"tracing.endpoint needs OpenTelemetry, but {error.name} is not installed: "
            "pip install 'rollback-sentinel[otel]'"
        ) from error
    tracer = OpenTelemetryTracer.exporting(tracing.endpoint, timeout=tracing.timeout)
    resources.push_async_callback(tracer.close)
    return tracer
