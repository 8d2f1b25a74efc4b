"""Pools that hold connections to real servers, which are ended and killed under
load: what is asked after the restart is answered, every answer is the right one,
and nothing is left over."""
import json
import os
import shlex
import signal
import subprocess
import threading
import time

import pytest
import servers

CLIENTS = {name: shlex.split(command) for name, _, command in (
    part.partition("=") for part in os.environ.get("NCP_PEERS", "").split(";"))
    if name}
LIMIT_S = 20 * float(os.environ.get("NCP_SPEC_SCALE", "1"))
AT_LEAST = 100  # requests answered in each phase
DOWN_S = 0.1

KINDS = {"redis": (servers.Redis, "redis-server"),
         "redis_unix": (servers.RedisUnix, "redis-server"),
         "http": (servers.Nginx, "nginx"),
         "tls": (servers.Tls, "openssl")}


class Client:
    """A program that keeps a server busy; see README.md."""

    def __init__(self, command, server):
        environment = {**os.environ,
                       "NCP_PEERS_CA": str(getattr(server, "certificate", ""))}
        self._process = subprocess.Popen(
            [*command, server.protocol, server.target], text=True, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._limit = threading.Timer(LIMIT_S, self._process.kill)
        self._limit.start()
        self._answer()

    def _answer(self):
        line = self._process.stdout.readline()
        if line != "ok\n":
            self._process.kill()
            pytest.fail(f"the client says {line!r}\n{self._process.stderr.read()}",
                        pytrace=False)

    def _say(self, line):
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pytest.fail(f"the client has ended\n{self._process.stderr.read()}",
                        pytrace=False)

    def phase(self, name):
        self._say(f"phase {name}")
        self._answer()

    def until(self, count):
        """Returns when so many requests of this phase were answered."""
        self._say(f"await {count}")
        self._answer()

    def end(self):
        said, complaints = self._process.communicate("end\n")
        self._limit.cancel()
        if self._process.returncode != 0 or complaints:
            pytest.fail(f"exit code {self._process.returncode}\n{said}{complaints}",
                        pytrace=False)
        return json.loads(said)

    def close(self):
        self._limit.cancel()
        self._process.kill()
        self._process.communicate()


@pytest.fixture(name="server")
def _server(request, tmp_path, need):
    kind, tool = KINDS[request.param]
    need(tool)
    made = kind(tmp_path)
    made.start()
    yield made
    made.kill()


@pytest.fixture(name="client")
def _client(request, server):
    made = Client(CLIENTS[request.param], server)
    yield made
    made.close()


def _check_end(report):
    counters = report["counters"]
    left = {name: counters[name] for name in
            ("current", "active", "idle", "in_flight", "waiting", "dialing", "leaked")}
    assert set(left.values()) == {0}, left
    assert counters["created"] == counters["closed"] > 0
    for what in ("descriptors", "tasks"):
        before, after = report[what]
        assert after == before, f"{what} are left"
    assert report["wrong"] == 0, "a reply was another one's"


def _phases(report):
    """What became of the requests, a line for each phase: pytest cuts a dict."""
    return "\n".join(f"{name}: {json.dumps(phase)}"
                     for name, phase in report["phases"].items())


def _check_none_failed(report):
    assert sum(phase["failed"] for phase in report["phases"].values()) == 0, \
        _phases(report)


def _every(*kinds):
    return pytest.mark.parametrize(
        ("client", "server"), [(name, kind) for name in CLIENTS for kind in kinds],
        indirect=True)


def test_there_is_a_client():
    if not CLIENTS:
        pytest.skip("no client was built")


@_every(*KINDS)
@pytest.mark.parametrize("how", ["killed", "ended"])
def test_a_server_restarts_under_load(client, server, how):
    """Whatever begins after the server is back succeeds: the pool finds by itself
    what died meanwhile."""
    end = server.kill if how == "killed" else server.end
    for turn in range(3):
        client.until(AT_LEAST)
        client.phase(f"down{turn}")
        end()
        time.sleep(DOWN_S)
        server.start()
        client.phase(f"back{turn}")
    client.until(AT_LEAST)
    report = client.end()
    for turn in range(3):
        assert report["phases"][f"down{turn}"]["failed"] > 0, "it was not down at all"
        back = report["phases"][f"back{turn}"]
        assert back["ok"] >= AT_LEAST, _phases(report)
        assert back["failed"] == back["retried"] == 0, _phases(report)
    _check_end(report)


@_every("http")
def test_a_server_reloads_under_load(client, server):
    """Nobody notices: a connection that ends under a request is asked again."""
    for turn in range(3):
        client.until(AT_LEAST)
        client.phase(f"reload{turn}")
        server.reload()
        client.until(AT_LEAST)
    report = client.end()
    _check_none_failed(report)
    _check_end(report)


@_every(*KINDS)
def test_a_server_that_stands_still_is_waited_for(client, server):
    """Nothing is lost while the server is stopped: it answers later."""
    client.until(AT_LEAST)
    client.phase("stopped")
    server.send(signal.SIGSTOP)
    time.sleep(DOWN_S)
    server.send(signal.SIGCONT)
    client.until(AT_LEAST)
    report = client.end()
    _check_none_failed(report)
    _check_end(report)
