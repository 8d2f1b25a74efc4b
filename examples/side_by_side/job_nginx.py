"""The job in nginx: light threads of a worker share a pool of cosockets.

    job_nginx.py TARGET WORKERS CONNECTIONS SECONDS DIALS

Starts nginx with nginx.conf, has it do what job_nginx.lua says, and prints its
answer, one line of JSON, which table.py turns into a row.
"""
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
MODULES = pathlib.Path("/usr/lib/nginx/modules")
PATIENCE = 30  # seconds, beside those of the job


def write_configuration(folder):
    # Built in, as in OpenResty, there is nothing to load.
    modules = [f"load_module {MODULES / name};" for name in
               ("ndk_http_module.so", "ngx_http_lua_module.so")
               if (MODULES / name).exists()]
    text = (HERE / "nginx.conf").read_text()
    for name, value in {"MODULES": "\n".join(modules), "FOLDER": folder,
                        "SOURCE": HERE.parents[1],
                        "USER": "user root;" if os.geteuid() == 0 else ""}.items():
        text = text.replace(f"@{name}@", str(value))
    path = folder / "nginx.conf"
    path.write_text(text)
    return path


def connect(path):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(str(path))
            return sock
        except OSError:
            sock.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def ask(path, wanted, patience):
    with connect(path) as sock:
        sock.settimeout(patience)
        query = urllib.parse.urlencode(wanted)
        sock.sendall(f"GET /job?{query} HTTP/1.0\r\n\r\n".encode())
        head, _, body = sock.makefile("rb").read().partition(b"\r\n\r\n")
    return head.split()[1] == b"200", body.decode()


def main(target, workers, connections, seconds, dials):
    host, port = target.removeprefix("tcp://").split(":")
    program = shutil.which("nginx") or shutil.which("openresty")
    if program is None:
        sys.exit("nginx is not installed")
    with tempfile.TemporaryDirectory(prefix="ncp-job-") as name:
        folder = pathlib.Path(name)
        configuration = write_configuration(folder)
        log = folder / "error.log"
        nginx = subprocess.Popen([program, "-p", folder, "-c", configuration,
                                  "-e", log])
        try:
            fine, text = ask(folder / "http.sock", {
                "host": host, "port": port, "workers": workers,
                "connections": connections, "seconds": seconds,
                "dials": dials}, float(seconds) + PATIENCE)
        finally:
            nginx.terminate()
            nginx.wait(PATIENCE)
        sys.stderr.write(log.read_text())
    sys.stdout.write(text)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
