"""`sentinel demo`: the real daemon on a simulated cluster, a few rollouts, and what it decided about each."""
