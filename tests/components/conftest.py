from tests.hub.fixtures import certificates, hub
from tests.stac.fixtures import api

__all__ = ["api", "certificates", "hub"]
