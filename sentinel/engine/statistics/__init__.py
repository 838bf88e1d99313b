"""Anytime-valid tests on counts and what they need: histograms, calibration, power."""
