"""What the pools of these tests connect to: it counts who comes and goes."""
import socket
import socketserver
import ssl
import subprocess
import threading
import time

LIMIT_S = 10


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        peer = self.server.peer
        sock = peer.entered(self.request)
        if sock is None:
            return
        try:
            file = sock.makefile("rwb", buffering=0)
            number = peer.number_of(sock)
            for line in iter(file.readline, b""):
                if not peer.answer(number, line.rstrip(b"\r\n"), file):
                    break
        except (OSError, ValueError):
            pass
        finally:
            peer.left(sock)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request, client_address):
        pass


class Peer:
    """A line server on loopback: answers "NUMBER LINE", where NUMBER is that of the
    connection. Lines that begin with a colon are orders: ":id" answers the number,
    ":close" closes, ":late MS" answers after so long."""

    def __init__(self, context=None):
        self.lock = threading.Condition()
        self.context = context
        self.accepted = 0
        self.most = 0
        self.sessions_reused = 0
        self.open = {}
        self.lines = []
        self.closing = False
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.peer = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,),
                         daemon=True).start()

    # -------------------------------------------------- called by handlers

    def entered(self, sock):
        if self.context:
            try:
                sock.settimeout(LIMIT_S)
                sock = self.context.wrap_socket(sock, server_side=True)
                sock.settimeout(None)
            except (OSError, ssl.SSLError):
                return None
        with self.lock:
            self.accepted += 1
            if self.context and sock.session_reused:
                self.sessions_reused += 1
            self.open[sock] = self.accepted
            self.most = max(self.most, len(self.open))
            self.lock.notify_all()
        return sock

    def number_of(self, sock):
        with self.lock:
            return self.open.get(sock, 0)

    def left(self, sock):
        try:
            sock.close()
        except OSError:
            pass
        with self.lock:
            self.open.pop(sock, None)
            self.lock.notify_all()

    def answer(self, number, line, file):
        with self.lock:
            self.lines.append(line.decode())
        if line == b":close":
            return False
        if line.startswith(b":late "):
            time.sleep(int(line.split()[1]) / 1000)
        file.write(b"%d %s\n" % (number, line))
        return True

    # ------------------------------------------------------ called by tests

    def open_count(self):
        with self.lock:
            return len(self.open)

    def wait_for_open(self, count, limit=LIMIT_S):
        """Waits until so many are open; how many there are."""
        with self.lock:
            self.lock.wait_for(lambda: len(self.open) == count, limit)
            return len(self.open)

    def close_all(self):
        with self.lock:
            for sock in self.open:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def reset(self):
        """Forgets what it counted."""
        with self.lock:
            self.accepted = 0
            self.most = len(self.open)
            self.sessions_reused = 0

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.close_all()


def certificate(folder):
    """A certificate for localhost that signs itself: certificate and key."""
    crt, key = folder / "server.crt", folder / "server.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", key, "-out", crt],
        check=True, capture_output=True)
    return crt, key


def tls_peer(crt, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, key)
    # Sessions of TLS 1.2 can be resumed with what sslhandshake() returns at once.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return Peer(context)
