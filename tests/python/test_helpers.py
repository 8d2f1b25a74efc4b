"""Functions beside the pool: sockets of one's own, the table of options."""
import socket

import pytest

import netconnpool
from netconnpool import Ip, Protocol, sockets


@pytest.fixture
def tcp(echo):
    with socket.create_connection(echo.address) as conn:
        yield conn


@pytest.fixture
def udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        one.bind(("127.0.0.1", 0))
        other.connect(one.getsockname())
        yield one, other


def test_protocol_and_version_are_found_out(tcp, udp):
    assert sockets.detect(tcp) == (Protocol.TCP, Ip.V4)
    assert sockets.detect(udp[0].fileno()) == (Protocol.UDP, Ip.V4)
    near, far = socket.socketpair()
    assert sockets.detect(near) == (Protocol.UNKNOWN, Ip.UNKNOWN)
    near.close()
    far.close()
    with pytest.raises(ValueError, match="closed"):
        sockets.detect(near)


def test_a_dead_connection_is_told_from_a_silent_one(tcp, echo):
    tcp.settimeout(30)
    tcp.sendall(b"x")
    assert tcp.recv(1) == b"x"
    assert sockets.is_alive(tcp)
    echo.hang_up()
    assert tcp.recv(1) == b""
    assert not sockets.is_alive(tcp)


def test_datagrams_are_dropped_and_looked_for(udp):
    one, other = udp
    assert not sockets.has_datagram(one)
    for _ in range(5):
        other.send(b"x")
    assert sockets.has_datagram(one)
    assert sockets.drain(one, max_packets=2) == (2, False)
    assert sockets.drain(one) == (3, True)
    assert not sockets.has_datagram(one)


def test_a_listener_by_target(make, tmp_path):
    with sockets.listen("tcp://127.0.0.1:0") as listener:
        assert listener.getsockname()[1] > 0
        client = socket.create_connection(listener.getsockname())
        pool = make(listener=listener)
        with pool.connection(timeout=30) as conn:
            client.sendall(b"hello")
            assert conn.recv(5) == b"hello"
        client.close()
    with pytest.raises(OSError, match="nowhere"):
        sockets.listen(f"unix:{tmp_path}/nowhere/at/all")
    with pytest.raises(netconnpool.InvalidConfig):
        sockets.listen("carrier pigeon")


def test_a_wrong_target_is_explained():
    sockets.check_target("tcp://localhost:80")
    with pytest.raises(netconnpool.InvalidConfig, match="http"):
        sockets.check_target("http://localhost:80")


def test_the_table_of_options_says_what_a_pool_does(make, things):
    pool = make(things)
    for row in netconnpool.options():
        assert row.help
        if row.name in ("name", "target"):
            assert row.default is row.least is row.most is None
            continue
        if row.name not in ("min_connections", "health_check_timeout",
                            "leak_interval", "cleanup_interval"):
            assert pool.option(row.name) == row.default, row.name
        assert row.least <= row.default <= row.most
        if not row.changeable:
            with pytest.raises(netconnpool.NotPossible):
                pool.set(row.name, row.default)
    names = [row.name for row in netconnpool.options()]
    assert names == list(netconnpool.Options.__annotations__)
