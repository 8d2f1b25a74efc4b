"""Real sockets: whose descriptor it is, protocols, TLS, server mode."""
import gc
import socket
import ssl
import subprocess

import pytest
from conftest import LONG, Echo, start

import netconnpool
from netconnpool import Ip, Protocol


def ask(conn, text=b"hello"):
    conn.sendall(text)
    assert conn.recv(100) == text


def test_a_target_lends_real_sockets(make, echo):
    pool = make(echo.target)
    with pool.connection() as conn:
        assert type(conn.raw) is socket.socket
        assert conn.raw.gettimeout() is None
        assert (conn.protocol, conn.ip) == (Protocol.TCP, Ip.V4)
        ask(conn)
    with pool.connection() as conn:
        ask(conn)
    assert len(echo.connections) == 1


def test_a_target_that_refuses_is_a_connection_refused_error(make):
    free = socket.create_server(("127.0.0.1", 0))
    host, port = free.getsockname()
    free.close()
    pool = make(f"tcp://{host}:{port}")
    with pytest.raises(netconnpool.ConnectFailed) as caught:
        pool.getconn()
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert caught.value.__cause__.errno == pool.dial_error().code


def test_a_descriptor_is_closed_once_and_by_one(make, echo):
    """A number that is free again is given to the next socket at once, so whoever
    closed it a second time would close that one."""
    pool = make(echo.target)
    first, second = pool.getconn(), pool.getconn()
    raws = [first.raw, second.raw]
    numbers = {raw.fileno() for raw in raws}
    pool.putconn(first)
    pool.putconn(second, discard=True)
    pool.close()
    assert [raw.fileno() for raw in raws] == [-1, -1]
    others = [socket.socketpair() for _ in range(4)]
    assert numbers & {end.fileno() for pair in others for end in pair}
    for raw in raws:
        raw.close()
    del first, second, raws
    gc.collect()
    for near, far in others:
        near.sendall(b"x")
        assert far.recv(1) == b"x"
        near.close()
        far.close()


def borrow_twice_under_one_number(pool):
    """A connection whose borrower closed its socket, and one whose descriptor has
    the same number since."""
    for _ in range(100):
        his = pool.getconn()
        number = his.raw.fileno()
        his.raw.close()
        other = pool.getconn()
        if other.raw.fileno() == number:
            return his, other
        pool.putconn(his, discard=True)  # somebody else was quicker
        pool.putconn(other, discard=True)
    raise AssertionError("the number of a descriptor is not used again")


@pytest.mark.parametrize("discard", [True, False])
def test_a_borrower_who_closes_his_socket_closes_nobody_elses(make, echo, discard):
    pool = make(echo.target, max_connections=2)
    his, other = borrow_twice_under_one_number(pool)
    closed = his.raw
    pool.putconn(his, discard=discard)
    ask(other)
    next_one = pool.getconn()
    assert next_one.raw is not other.raw
    assert (next_one.raw is closed) == (not discard)
    pool.putconn(next_one, discard=True)
    ask(other)
    pool.putconn(other)
    with pool.connection() as again:
        ask(again)


def test_a_detached_socket_is_the_users(make, echo):
    pool = make(echo.target)
    raw = pool.detach(pool.getconn())
    pool.close()
    ask(raw)
    raw.close()


def test_a_dead_connection_is_noticed_before_it_is_lent(make, echo):
    pool = make(echo.target, check_on_borrow=True)
    with pool.connection() as conn:
        ask(conn)
    echo.hang_up()
    with pool.connection() as conn:
        ask(conn)
    assert pool.stats().hc_failures == 1


def test_sockets_of_a_dialer_are_known_by_their_descriptor(make, echo):
    pool = make(lambda: socket.create_connection(echo.address))
    with pool.connection() as conn:
        assert conn.fd == conn.raw.fileno()
        assert (conn.protocol, conn.ip) == (Protocol.TCP, Ip.V4)
        ask(conn)
    with pool.connection() as conn:
        raw = conn.raw
    pool.close()
    assert raw.fileno() == -1


def test_unix_sockets_are_neither_tcp_nor_udp(make, tmp_path):
    server = Echo(socket.AF_UNIX, str(tmp_path / "echo"))
    pool = make(server.target)
    with pool.connection() as conn:
        assert (conn.protocol, conn.ip) == (Protocol.UNKNOWN, Ip.UNKNOWN)
        ask(conn)
    pool.close()
    server.close()


def test_ipv6_and_ipv4_are_told_apart(make, echo):
    try:
        other = Echo(socket.AF_INET6, ("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")

    def dial(request):
        server = other if request.ip == Ip.V6 else echo
        return socket.create_connection(server.address[:2], request.timeout)

    pool = make(dial)
    with pool.ipv6() as six, pool.ipv4() as four, pool.tcp(timeout=LONG) as any_:
        assert (six.ip, four.ip) == (Ip.V6, Ip.V4)
        for conn in (six, four, any_):
            ask(conn)
    pool.close()
    other.close()


def test_a_protocol_that_the_dialer_cannot_make_is_said(make, echo):
    pool = make(echo.target)
    with pytest.raises(netconnpool.ConnectFailed):
        with pool.udp():
            pass
    other = make(lambda: socket.create_connection(echo.address))
    with pytest.raises(netconnpool.NoMatchingConnection):
        with other.udp():
            pass


def test_stale_datagrams_are_dropped_before_the_next_borrower(make):
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.bind(("127.0.0.1", 0))
    peer.settimeout(LONG)
    host, port = peer.getsockname()
    pool = make(f"udp://{host}:{port}")
    with pool.udp() as conn:
        assert conn.protocol == Protocol.UDP
        conn.send(b"question")
        _, address = peer.recvfrom(100)
    peer.sendto(b"late answer", address)
    with pool.udp() as conn:
        conn.settimeout(0.05)
        with pytest.raises(TimeoutError):
            conn.recv(100)
        conn.send(b"again")
        _, address = peer.recvfrom(100)
        peer.sendto(b"answer", address)
        conn.settimeout(LONG)
        assert conn.recv(100) == b"answer"
    peer.close()


def test_a_timeout_is_put_back_when_that_is_wanted(make, echo):
    def dial():
        return socket.create_connection(echo.address, 7.5)

    pool = make(dial, restore_blocking=True)
    with pool.connection() as conn:
        conn.settimeout(None)
    with pool.connection() as conn:
        assert conn.gettimeout() == 7.5
        ask(conn)
    plain = make(echo.target, restore_blocking=True)
    with plain.connection() as conn:
        conn.settimeout(0)
    with plain.connection() as conn:
        assert conn.gettimeout() is None
        ask(conn)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    done = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout",
         folder / "key", "-out", folder / "cert"],
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


class TlsEcho(Echo):
    def __init__(self, folder):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "cert", folder / "key")
        super().__init__()

    def _serve(self, conn):
        try:
            with self._context.wrap_socket(conn, server_side=True) as secure:
                while data := secure.recv(65536):
                    secure.sendall(data)
        except OSError:
            pass


def test_tls_connections_are_pooled_like_any_other(make, certificate):
    server = TlsEcho(certificate)
    context = ssl.create_default_context(cafile=certificate / "cert")

    def dial():
        return context.wrap_socket(
            socket.create_connection(server.address), server_hostname="localhost")

    pool = make(dial, check_on_borrow=True)
    lent = set()
    for _ in range(3):
        with pool.connection() as conn:
            assert isinstance(conn.raw, ssl.SSLSocket)
            assert (conn.protocol, conn.ip) == (Protocol.TCP, Ip.V4)
            lent.add(conn.raw)
            ask(conn)
    assert len(lent) == 1
    assert len(server.connections) == 1
    pool.close()
    server.close()


# ----------------------------------------------------------------- server mode


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_server_pool_lends_accepted_connections(make, listener):
    pool = make(listener=listener)
    client = socket.create_connection(listener.getsockname())
    with pool.connection(timeout=LONG) as conn:
        client.sendall(b"hello")
        assert conn.recv(5) == b"hello"
        assert conn.protocol == Protocol.TCP
    assert pool.option("mode") == 1
    with pytest.raises(netconnpool.PoolTimeout), pool.connection():
        pool.getconn(timeout=0.02)
    client.close()


def test_an_acceptor_may_make_what_it_likes(make, listener):
    seen = []

    def acceptor(server, request):
        assert server is listener
        seen.append(request)
        server.settimeout(LONG)
        conn, address = server.accept()
        return conn

    pool = make(listener=listener, acceptor=acceptor)
    waiter = start(pool.getconn, LONG)
    client = socket.create_connection(listener.getsockname())
    conn = waiter.join()
    client.sendall(b"x")
    assert conn.recv(1) == b"x"
    assert seen[0].listener is listener
    pool.putconn(conn)
    client.close()


def test_an_acceptor_that_throws_is_the_cause(make, listener):
    error = ValueError("not today")

    def acceptor(server):
        raise error

    pool = make(listener=listener, acceptor=acceptor)
    with pytest.raises(netconnpool.ConnectFailed) as caught:
        pool.getconn()
    assert caught.value.__cause__ is error


def test_the_listener_stays_the_users(make, listener):
    pool = make(listener=listener)
    with pytest.raises(netconnpool.PoolTimeout):
        pool.getconn(timeout=0.02)
    pool.close()
    client = socket.create_connection(listener.getsockname())
    listener.settimeout(LONG)
    conn, _ = listener.accept()
    conn.close()
    client.close()
