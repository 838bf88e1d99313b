"""Wiring: the only place where objects are built, and the command line."""
