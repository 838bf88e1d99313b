"""Alertmanager: what its webhook posts say."""
