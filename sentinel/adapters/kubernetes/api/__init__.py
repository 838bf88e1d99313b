"""Requests to the API server: configuration, transport, errors, raw objects."""
