"""Keeps a real server busy through a pool of threads:
with_threads.py PROTOCOL TARGET."""
import gc
import http.client
import os
import socket
import ssl
import sys
import threading
import time

import load
from load import LIMIT_S, Outcome

import netconnpool


class Wire:
    """A connection while a request uses it."""

    def __init__(self, sock):
        self.sock = sock
        self.answered = False

    def receive(self, size):
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            if not part:
                raise ConnectionError("it has ended")
            self.answered = True
            data += part
        return data


def exchange(wire, request, wanted):
    wire.sock.sendall(request)
    return Outcome.RIGHT if wire.receive(len(wanted)) == wanted else Outcome.WRONG


def ask_http(wire, text):
    connection = http.client.HTTPConnection("here")
    connection.sock = wire.sock
    connection.auto_open = 0
    connection.request("GET", f"/echo?text={text}")
    try:
        response = connection.getresponse()
    except http.client.RemoteDisconnected as error:
        raise ConnectionError from error
    wire.answered = True
    if response.status != 200 or response.read() != text.encode():
        return Outcome.WRONG
    return Outcome.LAST if response.will_close else Outcome.RIGHT


TALKS = {"redis": lambda wire, text: exchange(wire, *load.redis_exchange(text)),
         "tls": lambda wire, text: exchange(wire, *load.line_exchange(text)),
         "http": ask_http}


def ask(talk, sock, text):
    """The outcome, and what ended the connection."""
    wire = Wire(sock)
    try:
        sock.settimeout(LIMIT_S)
        return talk(wire, text), None
    except (OSError, http.client.HTTPException) as error:
        return Outcome.CUT if wire.answered else Outcome.MISSING, error


def tls_dialer(target):
    _, address = load.address_of(target)
    context = ssl.create_default_context(cafile=os.environ["NCP_PEERS_CA"])

    def dial(request):
        plain = socket.create_connection(address, timeout=request.timeout)
        try:
            return context.wrap_socket(plain, server_hostname="127.0.0.1")
        except BaseException:
            plain.close()
            raise
    return dial


class Load:
    """One server kept busy."""

    def __init__(self, protocol, connect):
        self._talk = TALKS[protocol]
        self._pool = netconnpool.Pool(connect, **load.OPTIONS)
        self._book = load.Book()
        self._stats = None
        self._stop = False

    def _once(self, text):
        conn = self._pool.getconn()
        ended = ask(self._talk, conn.raw, text)
        reused, right = conn.reuse_count > 0, ended[0] is Outcome.RIGHT
        try:
            self._pool.putconn(conn, discard=not right)
        except netconnpool.CloseFailed:
            if right:
                raise
        return ended, reused

    def _answered(self, text, phase):
        for attempt in range(2):
            try:
                ended, reused = self._once(text)
            except (netconnpool.ConnectFailed, netconnpool.PoolTimeout) as error:
                return self._book.refused(phase, error)
            verdict = self._book.judge(phase, ended, reused, attempt == 0)
            if verdict is not None:
                return verdict
        return False

    def _work(self, number):
        n = 0
        while not self._stop:
            n += 1
            phase = self._book.begin()
            ok = self._answered(load.payload("p", number, n), phase)
            self._book.end(phase, ok)
            if not ok:
                time.sleep(load.PAUSE_S)

    def _begin_phase(self, name):
        before = self._book.begin_phase(name)
        while before is not None and before.in_progress():
            time.sleep(0.001)
        print("ok", flush=True)

    def _await(self, count):
        while self._book.phase.ok < count:
            time.sleep(0.001)
        print("ok", flush=True)

    def _obey(self):
        for line in sys.stdin:
            command, _, argument = line.strip().partition(" ")
            if command == "end":
                return
            {"phase": self._begin_phase,
             "await": lambda count: self._await(int(count))}[command](argument)
        raise EOFError("the input has ended")

    def run(self):
        workers = [threading.Thread(target=self._work, args=(number,))
                   for number in range(load.WORKERS)]
        self._begin_phase("start")
        for worker in workers:
            worker.start()
        try:
            self._obey()
        finally:
            self._stop = True
            for worker in workers:
                worker.join()
        self._pool.close_wait(LIMIT_S)
        self._stats = self._pool.stats()
        del self._pool  # as long as it is there it keeps its threads

    def report(self, **rest):
        return self._book.report(self._stats, **rest)


def at_last(count, wanted):
    """Waits until a count is what it should be; what it is then."""
    gc.collect()
    end = time.monotonic() + LIMIT_S
    while count() != wanted and time.monotonic() < end:
        time.sleep(0.001)
    return count()


def main(protocol, target):
    connect = tls_dialer(target) if protocol == "tls" else target
    before = load.descriptors()
    busy = Load(protocol, connect)
    busy.run()
    print(busy.report(
        descriptors=[before, at_last(load.descriptors, before)],
        tasks=[1, at_last(load.threads, 1)]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
