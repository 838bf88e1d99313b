"""Leases, Events and Jobs."""
