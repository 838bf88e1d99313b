"""Decisions and news, told to people."""
