"""Traffic: routes that split it between two Services, one module a router."""
