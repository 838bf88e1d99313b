"""The HTTP side of the daemon: webhook, health, metrics."""
