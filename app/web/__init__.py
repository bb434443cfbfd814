"""The ASGI application: backend and dashboard behind one guard."""
