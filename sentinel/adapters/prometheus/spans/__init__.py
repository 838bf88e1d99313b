"""From counters of pods at two times to spans: what is asked, and how the answers are put together."""
