"""A real Redis of a test's own, on a free port of loopback."""
import socket
import subprocess
import time

from server import free_port

START_S = 10


class Redis:
    def __init__(self, program, folder, *, unix=False, arguments=(), port=None):
        self.folder = folder
        self.program = program
        self.arguments = list(arguments)
        self.unix = folder / "redis.sock" if unix else None
        self.port = port or free_port()
        self.process = None

    def start(self):
        command = [self.program, "--port", str(self.port), "--bind", "127.0.0.1",
                   "--save", "", "--appendonly", "no", "--dir", str(self.folder),
                   "--daemonize", "no", *self.arguments]
        if self.unix:
            command += ["--unixsocket", str(self.unix)]
        with open(self.folder / "redis.out", "wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if self.ask("PING") == "+PONG":
                    return self
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError("redis does not start:\n"
                             + (self.folder / "redis.out").read_text())

    def ask(self, line):
        """The first line of the answer to an inline command."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as sock:
            sock.sendall(line.encode() + b"\r\n")
            return sock.makefile("r").readline().strip()

    def info(self, name):
        with socket.create_connection(("127.0.0.1", self.port), 5) as sock:
            sock.sendall(b"INFO\r\nQUIT\r\n")
            for line in sock.makefile("r"):
                if line.startswith(name + ":"):
                    return int(line.split(":")[1])
        raise KeyError(name)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
