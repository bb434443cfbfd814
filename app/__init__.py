"""Evident: what both sides agree on (settings, errors, wire schemas) and putting it together (composition,
command line)."""

__version__ = "0.1.0"
