"""Builds the daemon from its settings."""
