"""Threads share a few HTTP connections, whatever becomes of them.

    http_threads.py          starts a server of its own on loopback

A pool of http.client.HTTPConnection objects: any object can be lent that a function
returns. The server hangs up after some requests, as servers do, now and then without
a word; a thread that finds a broken connection throws it away and asks again.
"""
import http.client
import http.server
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from netconnpool import Pool, PoolError

THREADS, PAGES, CONNECTIONS = 16, 800, 4
REQUESTS_EACH = 50  # then the server hangs up


class Pages(http.server.BaseHTTPRequestHandler):
    """A page has its own path in it."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer goes out in one piece
    served = 0
    lock = threading.Lock()

    def do_GET(self):
        with Pages.lock:
            Pages.served += 1
            number = Pages.served
        body = f"this is {self.path}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if number % REQUESTS_EACH == 0:
            self.send_header("Connection", "close")  # a server that says so
        self.end_headers()
        self.wfile.write(body)
        if number % REQUESTS_EACH == 25:
            self.close_connection = True  # and one that does not

    def log_message(self, *args):
        pass


def fetch_once(pool, path):
    """A page over a borrowed connection. If anything is raised, the connection is
    closed in place of being given back: half an answer may still be on its way."""
    with pool.connection(timeout=5) as conn:
        conn.request("GET", path)
        response = conn.getresponse()
        body = response.read()
        if response.will_close:
            conn.healthy = False  # closed when it is given back
        return response.status, body


def fetch(pool, path):
    """A page. The server may have hung up while the connection was idle, which is
    noticed by the request that comes next: that one may be repeated."""
    for attempt in range(CONNECTIONS + 1):
        try:
            return fetch_once(pool, path)
        except (http.client.HTTPException, ConnectionError):
            if attempt == CONNECTIONS:
                raise


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def dial(request):
        conn = http.client.HTTPConnection(*server.server_address,
                                          timeout=request.timeout)
        conn.connect()
        request.tell(fd=conn.sock.fileno())  # so that the pool can look at it
        return conn

    with Pool(dial, name="pages", max_connections=CONNECTIONS, min_connections=0,
              idle_timeout=30, check_on_borrow=True) as pool:
        with ThreadPoolExecutor(THREADS) as threads:
            paths = [f"/page/{number}" for number in range(PAGES)]
            pages = list(threads.map(lambda path: fetch(pool, path), paths))
        stats = pool.stats()

    good = sum(status == 200 and body == f"this is {path}\n".encode()
               for path, (status, body) in zip(paths, pages))
    print(f"{good} pages by {THREADS} threads, {stats.created} connections in all, "
          f"at most {CONNECTIONS} at a time;\nmedian wait for a connection "
          f"{stats.p50_get_time * 1e3:.2f} ms")

    server.shutdown()
    server.server_close()
    try:
        with Pool(dial, min_connections=0) as pool, pool.connection():
            print("nobody listens any more, and yet there is a connection")
            return 1
    except PoolError as error:
        print(f"after the server is gone: {error}\n  because of {error.__cause__!r}")
        return 0 if good == PAGES else 1


if __name__ == "__main__":
    sys.exit(main())
