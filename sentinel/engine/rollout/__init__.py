"""The life of one rollout: where it stands, what is decided, how it ends."""
