"""Watches: lists, streams, and what follows them."""
