"""Metrics systems that answer free queries with numbers, and nothing else: New Relic, CloudWatch, JSON over HTTP."""
