"""Errors, settings, registry and wire schemas, shared by all packages; imports none of them."""
