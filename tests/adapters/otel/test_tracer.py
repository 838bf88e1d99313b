"""Spans as OpenTelemetry collects them."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from sentinel.adapters.otel.tracer import OpenTelemetryTracer


async def test_a_span_within_another_is_its_child() -> None:
    """Also across an await, and beside the spans of other tasks."""
    kept = InMemorySpanExporter()
    tracer = OpenTelemetryTracer(SimpleSpanProcessor(kept))

    async def one_pass(workload: str) -> None:
        with tracer.span("pass", workload=workload):
            await asyncio.sleep(1)
            with tracer.span("save"):
                await asyncio.sleep(1)

    await asyncio.gather(one_pass("a"), one_pass("b"))
    spans = kept.get_finished_spans()
    passes = {span.context.span_id: span.attributes for span in spans if span.name == "pass"}
    saved = [passes[span.parent.span_id] for span in spans if span.name == "save" and span.parent]
    assert sorted(dict(attributes or {})["workload"] for attributes in saved) == ["a", "b"]


def test_an_error_is_noted_by_its_kind_and_goes_on() -> None:
    """What the error says is not exported: it may quote what others wrote."""
    kept = InMemorySpanExporter()
    tracer = OpenTelemetryTracer(SimpleSpanProcessor(kept))
    with pytest.raises(ValueError, match="hush"), tracer.span("patch"):
        raise ValueError("hush")
    (span,) = kept.get_finished_spans()
    assert span.status.description == "ValueError"
    assert "hush" not in span.to_json()


@pytest.mark.real_time
async def test_spans_reach_a_collector() -> None:
    """What is queued is sent by OTLP over HTTP, at the latest when the tracer is closed."""
    received: list[str] = []

    async def traces(request: web.Request) -> web.Response:
        message = ExportTraceServiceRequest.FromString(await request.read())
        received.extend(
            span.name for one in message.resource_spans for scope in one.scope_spans for span in scope.spans
        )
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", traces)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        port = runner.addresses[0][1]
        tracer = OpenTelemetryTracer.exporting(f"http://127.0.0.1:{port}", timeout=5.0)
        with tracer.span("pass"):
            pass
        await tracer.close()
    finally:
        await runner.cleanup()
    assert received == ["pass"]
