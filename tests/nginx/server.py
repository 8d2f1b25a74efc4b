"""An nginx of a test's own: a folder, a configuration, free ports, a log that is
read at the end."""
import http.client
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
MODULES = ("ndk_http_module.so", "ngx_http_lua_module.so")
MODULE_FOLDERS = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules",
                  "/usr/share/nginx/modules", "/usr/local/nginx/modules")
START_S = 10
STOP_S = 10

CONFIGURATION = """\
{modules}
{user}
daemon off;
master_process on;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log {level};
env NETCONNPOOL_LIBRARY;
env TMPDIR;
{main}
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000;
    lua_package_path "{lua_path}";
    lua_package_cpath "{lua_cpath}";
    {http}
    init_worker_by_lua_block {{
{init_worker}
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
{locations}
    }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def module_lines():
    """What loads the Lua module; nothing where it is built in, as in OpenResty."""
    for folder in MODULE_FOLDERS:
        if all((pathlib.Path(folder) / name).exists() for name in MODULES):
            return "\n".join(f"load_module {folder}/{name};" for name in MODULES)
    return ""


def free_memory_of(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


class Reply:
    def __init__(self, status, body):
        self.status = status
        self.body = body

    def __repr__(self):
        return f"<{self.status} {self.body!r}>"


class Nginx:
    """One nginx; `locations` are {path: directives} or {path: Lua text}."""

    def __init__(self, program, library, folder, locations, *, init_worker="",
                 http="", main="", workers=1, level="notice", lua_path="",
                 server_lines=""):
        self.folder = pathlib.Path(folder)
        self.program = program
        self.library = library
        self.locations = locations
        self.options = {"init_worker": init_worker, "http": http, "main": main,
                        "workers": workers, "level": level}
        self.lua_path = lua_path
        self.server_lines = server_lines
        self.port = None
        self.process = None
        self._read_to = 0

    # ------------------------------------------------------------ life

    def _location(self, path, text):
        if "_by_lua" not in text and not text.lstrip().startswith("proxy_pass "):
            text = f"content_by_lua_block {{\n{text}\n}}"
        return f"        location {path} {{\n{text}\n        }}"

    def write(self):
        """Writes the configuration; again, before reload(), when it changed."""
        path = ";".join([f"{self.lua_path}", f"{SOURCE}/lua/lib/?.lua",
                         f"{HERE}/lua/?.lua", ";"]).lstrip(";")
        locations = "\n".join([self.server_lines] + [
            self._location(*one) for one in self.locations.items()])
        (self.folder / "nginx.conf").write_text(CONFIGURATION.format(
            modules=module_lines(), folder=self.folder, port=self.port,
            user="user root;" if os.geteuid() == 0 else "",
            lua_path=path, lua_cpath=";;", locations=locations, **self.options))

    def start(self):
        for _ in range(3):
            self.port = free_port()
            self.write()
            environment = {**os.environ, "NETCONNPOOL_LIBRARY": str(self.library)}
            with open(self.folder / "output", "wb") as output:
                self.process = subprocess.Popen(
                    [self.program, "-p", self.folder, "-c",
                     self.folder / "nginx.conf", "-e", self.folder / "error.log"],
                    env=environment, stdout=output, stderr=output)
            if self._answers():
                return self
            self.kill()
            if "Address already in use" not in self.log():
                break
        raise AssertionError("nginx does not start:\n"
                             + (self.folder / "output").read_text()
                             + self.log()[-4000:])

    def _answers(self):
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                if self.workers():
                    return True
            except OSError:
                pass
            time.sleep(0.02)
        return False

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        """Asks it to finish what it does (QUIT); how long that took."""
        begin = time.monotonic()
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError("nginx does not end") from None
        return time.monotonic() - begin

    def kill(self):
        if self.process and self.process.poll() is None:
            workers = self.workers()
            # The master first: it would replace a worker that died.
            self.process.kill()
            self.process.wait(STOP_S)
            for worker in workers:
                os.kill(worker, signal.SIGKILL)

    def workers(self):
        """The process ids of its workers, old ones too."""
        found = subprocess.run(["ps", "-o", "pid=", "--ppid",
                                str(self.process.pid)], capture_output=True,
                               text=True, check=False).stdout.split()
        return [int(pid) for pid in found]

    def memory_kb(self):
        """Resident memory of its only worker."""
        (worker,) = self.workers()
        return free_memory_of(worker)

    # ------------------------------------------------------------ use

    def get(self, path, *, limit=20, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                timeout=limit)
        try:
            connection.request("GET" if body is None else "POST", path, body=body,
                               headers=headers or {})
            answer = connection.getresponse()
            return Reply(answer.status, answer.read().decode())
        finally:
            connection.close()

    def text(self, path, **options):
        """The body of a request that has to work."""
        reply = self.get(path, **options)
        assert reply.status == 200, f"{path}: {reply}\n{self.log()[-3000:]}"
        return reply.body.strip()

    def open_request(self, path):
        """A request whose answer nobody reads (yet): its socket."""
        sock = socket.create_connection(("127.0.0.1", self.port), 20)
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return sock

    # ------------------------------------------------------------ the log

    def log(self):
        path = self.folder / "error.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def complaints(self, allowed=()):
        """Lines of the log that should not be there."""
        bad = re.compile(r"\[(error|crit|alert|emerg)\]")
        return [line for line in self.log().splitlines()
                if bad.search(line)
                and not any(re.search(part, line) for part in allowed)]
