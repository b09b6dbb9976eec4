"""Podman and the images, for the tests that run them."""

from tests.containers import images, podman_service

__all__ = ["images", "podman_service"]
