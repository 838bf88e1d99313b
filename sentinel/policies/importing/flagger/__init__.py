"""Flagger's canaries."""
