"""Argo Rollouts' templates."""
