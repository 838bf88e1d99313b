"""Alerts: received, written down, found their workload."""
