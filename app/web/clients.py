"""Whose request it is: the address that connected or, where that is a trusted proxy's, the client that it
forwards for.

A header is believed only as far as trusted proxies wrote it: read from the right, the first address that is
none of ours is the client. Whatever stands to the left of it was sent by that client and means nothing.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from starlette.datastructures import Headers

_FOR = re.compile(r'(?:^|[;\s])for=("[^"]*"|[^;,\s]*)', re.IGNORECASE)


class TrustedProxies:
    """Addresses and networks whose word about the client counts."""

    def __init__(self, networks: Sequence[str]) -> None:
        """Raises ValueError for what is no address or network."""
        self._networks = [ipaddress.ip_network(network, strict=False) for network in networks]

    def __contains__(self, address: object) -> bool:
        found = _parsed(str(address))
        return found is not None and any(
            found.version == network.version and found in network for network in self._networks
        )

    def client(self, peer: str, headers: Headers) -> str:
        """The client's address. peer: who connected."""
        if peer not in self:
            return peer
        hops = _hops(headers.getlist("x-forwarded-for"))
        others = _hops([value for line in headers.getlist("forwarded") for value in _FOR.findall(line)])
        if hops and others and hops != others:
            return (
                peer  # the proxy writes one of the two and lets the other through, and we cannot know which
            )
        for hop in reversed(hops or others):
            if hop is None:
                return peer
            if hop not in self:
                return hop
            peer = hop
        return peer


def _hops(lines: Sequence[str]) -> list[str | None]:
    """The addresses of a list, in order; None for what is none (`unknown`, a name, anything else)."""
    entries = [entry.strip().strip('"') for line in lines for entry in line.split(",")]
    return [
        None if (found := _parsed(_without_port(entry))) is None else str(found) for entry in entries if entry
    ]


def _without_port(entry: str) -> str:
    """`192.0.2.1:80` and `[2001:db8::1]:80` without their ports."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found
