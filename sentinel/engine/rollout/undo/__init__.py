"""Undoing a rollout: to which revision, by which changes, and until what is restored."""
