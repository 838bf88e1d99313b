"""Rollback Sentinel: judges Kubernetes rollouts by rules and promotes or undoes them on its own."""
