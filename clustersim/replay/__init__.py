"""Controllers that are not imitated but were recorded: what they did then plays on in the simulated cluster."""
