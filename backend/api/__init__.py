"""The HTTP API: thin routes over the services, one error contract, one security stack. No torch in this
process."""

from backend.api.app import create_api
from backend.api.routes.health import health_router

__all__ = ["create_api", "health_router"]
