"""Tasks of asyncio share a few TLS connections to a key-value store.

    lines_asyncio.py         starts a server of its own on loopback

The protocol is a line each way: "set KEY VALUE", "get KEY". Tasks give up while they
wait or while they talk, and nothing is lost by it: not a connection, not a place in
line, and nobody reads the answer to another one's question.
"""
import asyncio
import pathlib
import ssl
import subprocess
import sys
import tempfile

from netconnpool import PoolError
from netconnpool.aio import AsyncPool

CONNECTIONS, TASKS, IMPATIENT = 4, 200, 60


# --------------------------------------------------------------------------- the server

def make_certificate(folder):
    """A certificate for localhost, and its key."""
    paths = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-out", paths[0], "-keyout", paths[1]],
        check=True, stderr=subprocess.DEVNULL)
    return paths


async def serve(certificate):
    """Starts the store: its port."""
    store = {}

    async def talk(reader, writer):
        while line := await reader.readline():
            verb, key, *value = line.decode().split()
            if verb == "set":
                store[key] = value[0]
            await asyncio.sleep(0.001)  # it is a slow store
            writer.write(f"{key} {store.get(key, '?')}\n".encode())
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    return server, server.sockets[0].getsockname()[1]


# --------------------------------------------------------------------------- the client

class Store:
    """A client that any number of tasks may use."""

    def __init__(self, port, context):
        async def dial():
            return await asyncio.open_connection("127.0.0.1", port, ssl=context,
                                                 server_hostname="localhost")

        self.pool = AsyncPool(dial, name="store", max_connections=CONNECTIONS,
                              min_connections=0)

    async def ask(self, question):
        """A question and its answer. A task that is cancelled in here leaves its
        connection with an answer on the way: it is closed, not lent again."""
        async with self.pool.connection() as conn:
            await conn.send(question.encode() + b"\n")
            answer = await conn.readline()
            if not answer:
                raise ConnectionResetError("the store has hung up")
            return answer.decode().strip()

    async def set(self, key, value):
        return await self.ask(f"set {key} {value}")

    async def get(self, key):
        return await self.ask(f"get {key}")


async def worker(store, number):
    """Whether the store says what it was told."""
    await store.set(f"key{number}", f"value{number}")
    return await store.get(f"key{number}") == f"key{number} value{number}"


async def impatient(store, number):
    """Gives up after a moment, wherever it is: in line, dialing, or talking."""
    try:
        return await asyncio.wait_for(worker(store, 1000 + number), number / 1000)
    except asyncio.TimeoutError:
        return None


async def main():
    with tempfile.TemporaryDirectory() as folder:
        certificate = make_certificate(pathlib.Path(folder))
        server, port = await serve(certificate)
        context = ssl.create_default_context(cafile=certificate[0])

    store = Store(port, context)
    results = [
        *await asyncio.gather(*(worker(store, each) for each in range(TASKS))),
        *await asyncio.gather(*(impatient(store, each) for each in range(IMPATIENT)))]
    stats = store.pool.stats()
    good, gave_up = results.count(True), results.count(None)
    print(f"{good} tasks were told what they had said, {gave_up} gave up, "
          f"{results.count(False)} were told something else;\n"
          f"{stats.created} connections were made, {stats.active} are out, "
          f"{stats.waiting} tasks wait")

    await store.pool.drain(5)
    server.close()
    await server.wait_closed()
    try:
        async with AsyncPool(f"tcp://127.0.0.1:{port}", min_connections=0) as pool:
            await pool.getconn()
    except PoolError as error:
        print(f"after the server is gone: {error}")
    held = (good + gave_up == TASKS + IMPATIENT and good >= TASKS
            and stats.active == stats.waiting == 0
            and stats.total == stats.successful + stats.failed + stats.timeout)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
