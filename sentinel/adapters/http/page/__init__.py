"""The web page: its files, its data as JSON, and what changes as server-sent events."""
