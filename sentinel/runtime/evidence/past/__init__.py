"""What is learnt from the time before a rollout: how errors cluster, and how pods start."""
