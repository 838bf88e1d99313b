"""The durable record of a rollout."""
