"""The simulated API server: HTTP over the store, as a real one answers."""
