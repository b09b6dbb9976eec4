from tests.hub.fixtures import certificates, hub

__all__ = ["certificates", "hub"]
