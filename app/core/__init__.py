"""Errors, settings, registry and wire schemas, shared by all packages; imports no other package of
Evident."""
