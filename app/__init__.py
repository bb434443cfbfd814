"""Evident: settings, errors and wire schemas (`core`), the ASGI application (`web`), the command line
(`commands`)."""

__version__ = "0.1.0"
