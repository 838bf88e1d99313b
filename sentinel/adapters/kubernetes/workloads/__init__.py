"""Workloads: what is read of them and how they are changed."""
