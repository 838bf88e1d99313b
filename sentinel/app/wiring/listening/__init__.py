"""Builds what listens: the HTTP server and the web page."""
