"""Spans by OpenTelemetry: queued in memory, sent from a separate thread, dropped when the collector is down."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode

SERVICE = "rollback-sentinel"
TRACES_PATH = "/v1/traces"
MAX_QUEUED = 2048
MAX_BATCH = 256
CLOSE_SECONDS = 5.0


class OpenTelemetryTracer:
    """Implements `ports.Tracer`.

    An error's kind is noted in the span, its text is not: it may quote what others wrote.
    """

    def __init__(self, processor: SpanProcessor) -> None:
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": SERVICE}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer(SERVICE)

    @classmethod
    def exporting(cls, endpoint: str, *, timeout: float) -> "OpenTelemetryTracer":
        """A tracer for the collector at this address; nothing is sent yet. `timeout` is of one export, in seconds."""
        exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + TRACES_PATH, timeout=timeout)
        return cls(BatchSpanProcessor(exporter, max_queue_size=MAX_QUEUED, max_export_batch_size=MAX_BATCH))

    @contextmanager
    def span(self, name: str, **attributes: str) -> Iterator[None]:
        """A span that lasts as long as its block."""
        with self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise

    async def close(self) -> None:
        """Send what is queued, for five seconds at most; what is left then is dropped."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.to_thread(self._provider.shutdown)
        except TimeoutError:  # traces are best effort: a stop never waits for them
            return
