"""Starts Redis and nginx, asks, disturbs them, and says what held."""
import concurrent.futures
import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
MODULES = pathlib.Path("/usr/lib/nginx/modules")
CLIENTS = 32
LIMIT_S = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(look, what):
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        try:
            found = look()
            if found:
                return found
        except OSError:
            pass
        time.sleep(0.02)
    raise SystemExit(f"in vain: {what}")


class Stage:
    """The processes of the example, and the folder they live in."""

    def __init__(self, folder):
        self.folder = folder
        self.redis_port, self.port = free_port(), free_port()
        self.redis = self.nginx = None

    def start_redis(self):
        self.redis = subprocess.Popen(
            ["redis-server", "--port", str(self.redis_port), "--bind", "127.0.0.1",
             "--save", "", "--appendonly", "yes", "--appendfsync", "always",
             "--dir", str(self.folder)], stdout=subprocess.DEVNULL)
        wait_for(lambda: self.ask_redis("PING") == "+PONG", "Redis does not start")

    def ask_redis(self, command):
        with socket.create_connection(("127.0.0.1", self.redis_port), 5) as sock:
            sock.sendall(command.encode() + b"\r\n")
            return sock.makefile("r").readline().strip()

    def redis_info(self, name):
        with socket.create_connection(("127.0.0.1", self.redis_port), 5) as sock:
            sock.sendall(b"INFO\r\nQUIT\r\n")
            for line in sock.makefile("r"):
                if line.startswith(name + ":"):
                    return int(line.split(":")[1])
        raise KeyError(name)

    def start_nginx(self):
        # Built in, as in OpenResty, there is nothing to load.
        lines = [f"load_module {MODULES / name};" for name in
                 ("ndk_http_module.so", "ngx_http_lua_module.so")
                 if (MODULES / name).exists()]
        text = (HERE / "nginx.conf").read_text()
        for name, value in {
                "MODULES": "\n".join(lines), "FOLDER": self.folder,
                "SOURCE": SOURCE, "REDIS": self.redis_port, "PORT": self.port,
                "USER": "user root;" if os.geteuid() == 0 else ""}.items():
            text = text.replace(f"@{name}@", str(value))
        (self.folder / "nginx.conf").write_text(text)
        program = shutil.which("nginx") or shutil.which("openresty")
        self.nginx = subprocess.Popen(
            [program, "-p", self.folder, "-c", self.folder / "nginx.conf",
             "-e", self.folder / "error.log"])
        wait_for(lambda: self.get("/visit")[0] == 200, "nginx does not start")

    def workers(self):
        said = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.nginx.pid)],
                              capture_output=True, text=True, check=False).stdout
        return set(said.split())

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                timeout=LIMIT_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode().strip()
        finally:
            connection.close()

    def visits(self, count):
        """So many visits by many clients: the numbers they were told."""
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as crew:
            replies = list(crew.map(lambda _: self.get("/visit"), range(count)))
        bad = [reply for reply in replies if reply[0] != 200]
        return [int(text) for status, text in replies if status == 200], bad

    def stop(self):
        for process, how in ((self.nginx, signal.SIGQUIT),
                             (self.redis, signal.SIGTERM)):
            if process and process.poll() is None:
                process.send_signal(how)
                try:
                    process.wait(LIMIT_S)
                except subprocess.TimeoutExpired:
                    process.kill()


FAILED = []


def held(what, is_so, detail=""):
    print(f"  {'ok    ' if is_so else 'FAILED'}  {what}{detail and ': ' + detail}")
    if not is_so:
        FAILED.append(what)


def many_visits(stage, count):
    print(f"{count} visits by {CLIENTS} clients, 2 workers with 4 connections each")
    before = stage.redis_info("total_connections_received")
    begin = time.monotonic()
    numbers, bad = stage.visits(count)
    took = time.monotonic() - begin
    made = stage.redis_info("total_connections_received") - before - 1
    held("every visit was answered", not bad, f"{count / took:.0f} a second")
    held("no reply was mixed up", len(set(numbers)) == count)
    held("Redis saw 8 connections at most", made <= 8, f"{made} were made")


def redis_restarts(stage):
    print("Redis is stopped and started again")
    stage.redis.terminate()
    stage.redis.wait(LIMIT_S)
    status, text = stage.get("/visit")
    held("a visit without Redis is refused with the reason",
         status in (502, 503), text)
    stage.start_redis()
    wait_for(lambda: stage.get("/visit")[0] == 200, "no visit works any more")
    numbers, bad = stage.visits(200)
    held("200 visits afterwards work", not bad and len(set(numbers)) == 200)


def nginx_reloads(stage, seconds):
    print("nginx is reloaded while clients visit")
    stop, counts = threading.Event(), []

    def visit():
        good = bad = 0
        while not stop.is_set():
            if stage.get("/visit")[0] == 200:
                good += 1
            else:
                bad += 1
        counts.append((good, bad))

    crew = [threading.Thread(target=visit) for _ in range(8)]
    for thread in crew:
        thread.start()
    old = stage.workers()
    begin = time.monotonic()
    stage.nginx.send_signal(signal.SIGHUP)
    wait_for(lambda: not old & stage.workers(), "an old worker is stuck")
    gone = time.monotonic() - begin
    time.sleep(seconds)
    stop.set()
    for thread in crew:
        thread.join()
    good, bad = sum(one[0] for one in counts), sum(one[1] for one in counts)
    held("no visit was lost", bad == 0, f"{good} went well")
    held("the old workers are gone", gone < 10, f"after {gone * 1000:.0f} ms")


def clients_vanish(stage, count):
    print(f"{count} clients leave before they are answered")
    for number in range(count):
        with socket.create_connection(("127.0.0.1", stage.port), 5) as sock:
            sock.sendall(b"GET /visit HTTP/1.1\r\nHost: x\r\n\r\n")
            if number % 2:
                time.sleep(0.0005)
    numbers, bad = stage.visits(100)
    held("100 visits afterwards work", not bad and len(set(numbers)) == 100)


def status(stage):
    print("\nGET /status")
    _, text = stage.get("/status")
    print("\n".join("  " + line for line in text.splitlines()))
    facts = dict(line.rsplit(" ", 1) for line in text.splitlines()
                 if line.startswith("redis."))
    print()
    held("nothing is borrowed any more", facts["redis.active"] == "0")
    held("at most 4 connections", int(facts["redis.idle"]) <= 4)


def main():
    short = "--short" in sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="ncp-nginx-") as name:
        stage = Stage(pathlib.Path(name))
        try:
            stage.start_redis()
            stage.start_nginx()
            many_visits(stage, 500 if short else 3000)
            redis_restarts(stage)
            nginx_reloads(stage, 0.3 if short else 2)
            clients_vanish(stage, 50 if short else 300)
            status(stage)
        finally:
            stage.stop()
    print(f"\n{len(FAILED)} FAILED" if FAILED else "\nall of it held")
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
