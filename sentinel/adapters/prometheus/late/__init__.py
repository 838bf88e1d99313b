"""Samples that come late: how late, and up to when they are there."""
