"""The other side: every connection a scenario makes has its peer in this process;
one thread sends back what a peer receives."""
import itertools
import os
import select
import socket
import struct
import threading

from . import words
from .verdict import fail


class Pipe:
    """A connection of which the pool knows no descriptor."""

    def __init__(self, sock):
        self.sock = sock

    def close(self):
        self.sock.close()


class Conn:
    """One connection as the runner knows it."""

    def __init__(self, index, kind, raw, sock, peer):
        self.index = index
        self.kind = kind
        self.raw = raw    # what the dialer returns
        self.sock = sock
        self.fd = sock.fileno()
        self.inode = inode_of(self.fd)  # tells a closed one from a reused number
        self.peer = peer
        self.protocol = words.PROTOCOLS["TCP" if kind.startswith("tcp") else
                                        "UDP" if kind.startswith("udp") else
                                        "UNKNOWN"]
        self.ip = words.IPS["IPv4" if kind.endswith("4") else
                            "IPv6" if kind.endswith("6") else "UNKNOWN"]
        self.peer_eof = False
        self.owners = 0
        self.checks = 0         # checkers inside
        self.closer_calls = 0
        self.ours = False       # detached, replaced or refused: the runner closes it
        self.lock = threading.Lock()

    @property
    def is_stream(self):
        return not self.kind.startswith("udp")

    def is_open(self):
        return inode_of(self.fd) == self.inode

    def close(self):
        self.sock.close()


def inode_of(fd):
    try:
        return os.fstat(fd).st_ino
    except OSError:
        return 0


def _loopback(family):
    return "::1" if family == socket.AF_INET6 else "127.0.0.1"


def bound(family, kind):
    sock = socket.socket(family, kind)
    sock.bind((_loopback(family), 0))
    return sock


def _stream(family):
    with bound(family, socket.SOCK_STREAM) as listener:
        listener.listen(1)
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.connect(listener.getsockname())
        return sock, listener.accept()[0]


def _datagram(family):
    sock, peer = bound(family, socket.SOCK_DGRAM), bound(family, socket.SOCK_DGRAM)
    sock.connect(peer.getsockname())
    peer.connect(sock.getsockname())
    return sock, peer


_names = itertools.count()


def _unix():
    # An abstract name, with words in it that must not be read as anything.
    name = f"\0ncp-tcp-udp-{os.getpid()}-{next(_names)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(name)
        listener.listen(1)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(name)
        return sock, listener.accept()[0]


MAKERS = {
    "tcp4": lambda: _stream(socket.AF_INET),
    "tcp6": lambda: _stream(socket.AF_INET6),
    "udp4": lambda: _datagram(socket.AF_INET),
    "udp6": lambda: _datagram(socket.AF_INET6),
    "unix": _unix,
    "pipe": socket.socketpair,
}


class Peers:
    """All connections of a case."""

    def __init__(self):
        self._epoll = select.epoll()
        self._lock = threading.Lock()
        self._by_peer = {}
        self._by_raw = {}
        self._clients = []  # of a listener, not adopted yet
        self.conns = []
        threading.Thread(target=self._serve, name="echo", daemon=True).start()

    # ---------------------------------------------------------------- echo

    def _serve(self):
        while True:
            for fd, _ in self._epoll.poll(-1, 1):
                with self._lock:
                    conn = self._by_peer.get(fd)
                    if conn is not None:
                        self._send_back(conn)

    def _send_back(self, conn):
        try:
            data = conn.peer.recv(65536, socket.MSG_DONTWAIT)
            if data or not conn.is_stream:
                conn.peer.send(data, socket.MSG_DONTWAIT)
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            if not conn.is_stream:
                return
        self._unwatch(conn)
        conn.peer_eof = True

    def _unwatch(self, conn):
        if self._by_peer.pop(conn.peer.fileno(), None) is not None:
            self._epoll.unregister(conn.peer.fileno())

    # -------------------------------------------------------------- making

    def make(self, kind):
        with self._lock:
            sock, peer = MAKERS[kind]()
            raw = Pipe(sock) if kind == "pipe" else sock
            return self._register(kind, raw, sock, peer)

    def _register(self, kind, raw, sock, peer):
        conn = Conn(len(self.conns), kind, raw, sock, peer)
        self.conns.append(conn)
        self._by_raw[id(raw)] = conn
        if peer is not None:
            self._by_peer[peer.fileno()] = conn
            self._epoll.register(peer.fileno(), select.EPOLLIN)
        return conn

    def of(self, raw):
        """The connection of what a pool lends; one it accepted is adopted."""
        with self._lock:
            conn = self._by_raw.get(id(raw))
            if conn is not None:
                return conn
            if not isinstance(raw, socket.socket):
                fail(f"an unknown connection: {raw!r}")
            return self._register("tcp4", raw, raw, self._client_of(raw))

    def at(self, index):
        if not 0 <= index < len(self.conns):
            fail(f"there is no connection number {index}")
        return self.conns[index]

    def _client_of(self, sock):
        other = sock.getpeername()
        for client in self._clients:
            if client.getsockname() == other:
                self._clients.remove(client)
                return client
        return None

    def connect(self, listener):
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        client.connect(listener.getsockname())
        with self._lock:
            self._clients.append(client)

    # -------------------------------------------------------------- ending

    def end_peer(self, conn, reset):
        with self._lock:
            if conn.peer is None:
                fail(f"the peer of connection {conn.index} is closed already")
            if reset:
                conn.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                     struct.pack("ii", 1, 0))
            self._unwatch(conn)
            conn.peer.close()
            conn.peer = None

    def reset(self):
        """Closes every peer that is left and forgets all."""
        with self._lock:
            for conn in self.conns:
                if conn.peer is not None:
                    self._unwatch(conn)
                    conn.peer.close()
            for client in self._clients:
                client.close()
            self._clients.clear()
            self._by_raw.clear()
            self.conns.clear()


def ipv6_works():
    try:
        bound(socket.AF_INET6, socket.SOCK_STREAM).close()
        return True
    except OSError:
        return False
