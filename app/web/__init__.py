"""One ASGI application out of backend and dashboard, behind one guard."""
