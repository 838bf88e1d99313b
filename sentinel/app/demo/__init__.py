"""`sentinel demo`: the real daemon on a simulated cluster, six rollouts, and what it decided about each."""
