"""A subset of PromQL over series in memory, for rule tests and stand-ins."""
