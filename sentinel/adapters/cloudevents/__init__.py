"""Notices as CloudEvents, posted to a signed webhook."""
