"""Which pods are the canary and which the baseline, and what each of them counted."""
