"""Pipelines that link the six stages, and what runs them."""
