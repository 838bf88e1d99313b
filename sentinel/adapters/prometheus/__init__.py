"""Prometheus: counters, histograms and free queries as evidence; how long an alert is pending."""
