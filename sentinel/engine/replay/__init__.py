"""A rollout replayed on virtual time: the functions that decide in production, with nothing around them."""
