"""Which addresses a crawler connects to, however they are written, and at which moment that is decided."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.crawl.addresses import may_connect, networks

REPOSITORY = Path(__file__).parents[3]
PUBLIC = ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8", "64:ff9b::808:808"]
NOT_PUBLIC = [
    "127.0.0.1", "127.8.9.10", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "0.0.0.0", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "fe80::1", "fe80::1%eth0", "fc00::1",
    "fd12::1", "fec0::1", "ff02::1", "2001:db8::1", "2002:7f00:1::", "2002:0a00:0001::1", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "2001:0:7f00:1::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_connected_to(address: str):
    assert may_connect(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_public_may_not_unless_all_are_allowed(address: str):
    assert not may_connect(address)
    assert may_connect(address, networks(True))


def test_a_network_allows_its_own_addresses_alone():
    allowed = networks(("10.1.0.0/16", "127.0.0.1"))
    inside, outside = ("10.1.2.3", "127.0.0.1", "::ffff:10.1.9.9"), ("10.2.0.1", "127.0.0.2", "::ffff:10.2.0.1")
    assert [one for one in (*inside, *outside) if may_connect(one, allowed)] == list(inside)


@pytest.mark.parametrize("name", ["localhost", "example.org", "", "2130706433", "0x7f000001"])
def test_what_was_not_resolved_may_not(name: str):
    assert not may_connect(name)


REBINDING = """
import socket
from twisted.internet import asyncioreactor
asyncioreactor.install()
from twisted.internet import endpoints, protocol, reactor
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IHostnameResolver
from zope.interface import implementer
from tasks.crawl.addresses import guard, networks

answers = ["127.0.0.2", "127.0.0.3"]

@implementer(IHostnameResolver)
class Rebinding:
    def resolveHostName(self, receiver, name, portNumber=0, *args, **more):
        receiver.resolutionBegan(None)
        receiver.addressResolved(IPv4Address("TCP", answers.pop(0), portNumber))
        receiver.resolutionComplete()

reactor.installNameResolver(Rebinding())
guard(reactor, networks(("127.0.0.2",)))
ports = []
for host in ("127.0.0.2", "127.0.0.3"):
    listening = socket.create_server((host, ports[0] if ports else 0))
    ports.append(listening.getsockname()[1])
    listeners = globals().setdefault("listeners", [])
    listeners.append(listening)

def connect():
    return endpoints.HostnameEndpoint(reactor, "rebinding.example", ports[0]).connect(
        protocol.Factory.forProtocol(protocol.Protocol))

def second(failure_or_connection):
    print("second", getattr(failure_or_connection, "type", type(failure_or_connection)).__name__)
    reactor.stop()

def first(connection):
    print("first", type(connection).__name__)
    connect().addBoth(second)

reactor.callWhenRunning(lambda: connect().addBoth(first))
reactor.run()
listeners[1].settimeout(0)
try:
    listeners[1].accept()
    print("reached")
except BlockingIOError:
    print("nobody came")
"""


def test_a_name_that_resolves_otherwise_the_second_time_is_refused_then():
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run([sys.executable, "-c", REBINDING], env=environment, capture_output=True, text=True, timeout=60)
    assert run.stdout.splitlines() == ["first Protocol", "second NotPublic", "nobody came"], run.stderr
