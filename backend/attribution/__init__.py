"""Explaining: pure functions on torch networks. Never loaded by the web process."""
