"""Rehearsal: what the rules would have decided of past rollouts, from what Prometheus recorded of them."""
