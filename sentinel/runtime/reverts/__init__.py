"""Reverts in Git, proposed after an undo: beside everything else, and merged by people alone."""
