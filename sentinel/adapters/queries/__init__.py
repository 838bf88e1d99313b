"""Metrics systems that answer queries with numbers: New Relic, CloudWatch, JSON over HTTP."""
