"""Client address of a request: the address that connected or, behind a trusted proxy, the forwarded one.

A forwarding header is believed only as far as trusted proxies wrote it: read from the right, the first
address that is no trusted proxy is the client. Addresses to the left of it were sent by that client and are
ignored."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from starlette.datastructures import Headers

_FOR = re.compile(r'(?:^|[;\s])for=("[^"]*"|[^;,\s]*)', re.IGNORECASE)


class TrustedProxies:
    """Addresses and networks whose forwarding headers are believed."""

    def __init__(self, networks: Sequence[str]) -> None:
        """Raises ValueError for what is no address or network."""
        self._networks = [ipaddress.ip_network(network, strict=False) for network in networks]

    def __contains__(self, address: object) -> bool:
        ip = _as_ip(str(address))
        return ip is not None and any(
            ip.version == network.version and ip in network for network in self._networks
        )

    def client(self, peer: str, headers: Headers) -> str:
        """The client's address. peer: who connected."""
        if peer not in self:
            return peer
        hops = _hops(headers.getlist("x-forwarded-for"))
        forwarded_hops = _hops(
            [value for line in headers.getlist("forwarded") for value in _FOR.findall(line)]
        )
        if hops and forwarded_hops and hops != forwarded_hops:
            return (
                peer  # the proxy writes one of the two and lets the other through, and we cannot know which
            )
        for hop in reversed(hops or forwarded_hops):
            if hop is None:
                return peer
            if hop not in self:
                return hop
            peer = hop
        return peer


def _hops(lines: Sequence[str]) -> list[str | None]:
    """Addresses of the header lines, in order; None for an entry that is no address (`unknown`, a name)."""
    entries = [entry.strip().strip('"') for line in lines for entry in line.split(",")]
    return [None if (ip := _as_ip(_without_port(entry))) is None else str(ip) for entry in entries if entry]


def _without_port(entry: str) -> str:
    """`192.0.2.1:80` and `[2001:db8::1]:80` without their ports."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


def _as_ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = getattr(ip, "ipv4_mapped", None)
    return mapped or ip
