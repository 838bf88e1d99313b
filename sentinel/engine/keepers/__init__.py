"""Holds on what deploys workloads from another place, so that an undo lasts."""
