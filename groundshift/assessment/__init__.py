"""Metrics, baselines and the protocol that compares them."""
