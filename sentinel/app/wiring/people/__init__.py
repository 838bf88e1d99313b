"""Builds what reaches people: channels, buttons, and reverts proposed in Git."""
