"""Runs the unit tests of rule files: the engine of production on virtual time, over series in memory."""
