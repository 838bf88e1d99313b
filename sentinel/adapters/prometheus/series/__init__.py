"""Which series a query finds, and whether their labels name the pods and versions that it is about."""
