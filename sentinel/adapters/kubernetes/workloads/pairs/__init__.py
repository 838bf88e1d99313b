"""Workloads made of several objects: each kind of pair has its driver, over the members' entries."""
