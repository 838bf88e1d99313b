"""The guarded workload as a driver shows it: its facts, its revisions, its pods."""
