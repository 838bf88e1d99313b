"""How the API server prints objects for kubectl."""
