"""Who asks for work."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Client:
    """address: what fairness and limits count; "" is the server itself, without limits and without lines in the log.
    name: under which the work is written down."""

    address: str = ""
    name: str = ""


SERVER = Client()
