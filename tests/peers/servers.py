"""Real servers on loopback, each with a configuration of its own in a folder of
its own: started, ended, killed and started again at the same address."""
import http.client
import os
import pathlib
import random
import signal
import socket
import ssl
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
LIMIT_S = 10


def free_port():
    """A port that nobody has, and that no client gets for its own end while the
    server is down: such a client would even connect to itself."""
    limits = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    lowest = max(int(limits.split()[0]), 11000)
    while True:
        port = random.randrange(10000, lowest)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Server:
    """One server process; a subclass says how it is started and asked."""

    protocol = ""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self._process = None
        self._log = folder / "log"

    @property
    def target(self):
        return f"tcp://127.0.0.1:{self.port}"

    def command(self):
        raise NotImplementedError

    def ask(self):
        """Raises OSError unless the server answers."""
        raise NotImplementedError

    def start(self):
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [str(part) for part in self.command()], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd=self.folder, start_new_session=True)
        self._until_it_answers()

    def _until_it_answers(self):
        end = time.monotonic() + LIMIT_S
        while True:
            try:
                self.ask()
                return
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{self.protocol} does not start: {error}\n"
                                       + self._log.read_text()) from error
                time.sleep(0.005)

    def send(self, number):
        os.killpg(self._process.pid, number)

    def end(self, number=signal.SIGTERM):
        """Ends it and everything it has started."""
        if self._process is None:
            return
        self.send(number)
        try:
            self._process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            self._process.wait()
            raise
        finally:
            self._process = None

    def kill(self):
        self.end(signal.SIGKILL)


class Redis(Server):
    """Redis without persistence, on a port of loopback."""

    protocol = "redis"

    def command(self):
        return ["redis-server", "--bind", "127.0.0.1", "--port", self.port,
                "--save", "", "--appendonly", "no", "--dir", self.folder,
                "--daemonize", "no"]

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=1)

    def ask(self):
        with self.connect() as connection:
            connection.sendall(b"PING\r\n")
            if connection.recv(7) != b"+PONG\r\n":
                raise OSError("no PONG")


class RedisUnix(Redis):
    """The same on a unix socket."""

    @property
    def target(self):
        return f"unix:{self.folder}/redis.sock"

    def command(self):
        return [*super().command()[:4], 0, *super().command()[5:],
                "--unixsocket", self.folder / "redis.sock"]

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(1)
        connection.connect(str(self.folder / "redis.sock"))
        return connection


class Nginx(Server):
    """nginx that answers with the text it is asked for and keeps connections
    alive, for some requests each."""

    protocol = "http"
    CONFIGURATION = """
daemon off;
pid nginx.pid;
error_log stderr error;
worker_processes 2;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_timeout 60s;
    keepalive_requests 200;
    server {
        listen 127.0.0.1:PORT;
        default_type text/plain;
        location = /echo { return 200 $arg_text; }
    }
}
"""

    def command(self):
        text = self.CONFIGURATION.replace("PORT", str(self.port))
        (self.folder / "nginx.conf").write_text(text, encoding="ascii")
        return ["nginx", "-p", self.folder, "-c", self.folder / "nginx.conf"]

    def ask(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/echo?text=here")
            if connection.getresponse().read() != b"here":
                raise OSError("another answer")
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def reload(self):
        """New workers take over; the old ones end their idle connections."""
        os.kill(self._process.pid, signal.SIGHUP)


class Tls(Server):
    """A server under TLS that sends lines back."""

    protocol = "tls"

    def __init__(self, folder):
        super().__init__(folder)
        self.certificate = folder / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", folder / "key.pem", "-out", self.certificate],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def command(self):
        return [sys.executable, HERE / "tls_server.py", self.port, self.certificate,
                self.folder / "key.pem"]

    def ask(self):
        context = ssl.create_default_context(cafile=self.certificate)
        with socket.create_connection(("127.0.0.1", self.port), timeout=1) as plain, \
                context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            connection.sendall(b"here\n")
            if connection.recv(5) != b"here\n":
                raise OSError("another answer")
