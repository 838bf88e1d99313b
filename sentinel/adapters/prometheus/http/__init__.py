"""How Prometheus' API is asked over HTTP: by whose credentials, by which method, and what a refusal means."""
