"""Explanation methods as pure functions on torch networks. The web process never imports this package."""
