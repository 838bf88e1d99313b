"""Traces of the daemon, sent to an OpenTelemetry collector."""
