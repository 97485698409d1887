"""Which addresses a crawler may connect to: public ones, unless it is told otherwise.

What is checked is the address that is connected to, after the name was resolved: so a redirect, a name that resolves to
a private address, one that resolves otherwise the second time, and every way to write an address end at the same check.
"""

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_SITE_LOCAL = ipaddress.ip_network("fec0::/10")


class NotPublic(Exception):
    """A connection to an address that is not public was refused."""


def networks(allowed: bool | Sequence[str]) -> tuple[Network, ...]:
    """The networks of `allow_private`; all of them where it is true. Raises: ValueError for what is none."""
    named = ("0.0.0.0/0", "::/0") if allowed is True else allowed or ()
    return tuple(ipaddress.ip_network(one) for one in named)


def may_connect(host: str, allowed: Sequence[Network] = ()) -> bool:
    """Whether a resolved address is public, or in one of the allowed networks. A name is not: it was not resolved."""
    try:
        addresses = _meant(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return False
    return all(_is_public(one) or any(one in network for network in allowed) for one in addresses)


def guard(reactor: Any, allowed: Sequence[Network]) -> None:
    """Let a Twisted reactor refuse every TCP connection to another address: it raises NotPublic before it connects."""
    connect: Callable[..., Any] = reactor.connectTCP

    def connect_if_allowed(host: str, port: int, *args: Any, **more: Any) -> Any:
        if not may_connect(host, allowed):
            raise NotPublic(f"{host} is not a public address")
        return connect(host, port, *args, **more)

    reactor.connectTCP = connect_if_allowed


def _meant(address: Address) -> list[Address]:
    """The address, and the IPv4 address that an IPv6 one carries inside (mapped, 6to4, Teredo, NAT64)."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    inside = [address.sixtofour] if address.sixtofour else list(address.teredo or ())
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    if int(address) < 1 << 32 and int(address) > 1:  # the old form ::127.0.0.1
        inside.append(ipaddress.IPv4Address(int(address)))
    return [address, *inside]


def _is_public(address: Address) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not (isinstance(address, ipaddress.IPv6Address) and address in _SITE_LOCAL)
    )
