"""Slack: one message per rollout, its decisions in the thread."""
