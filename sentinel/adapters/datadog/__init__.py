"""Datadog: interval counts and free queries as evidence."""
