#!/usr/bin/env python3
"""Writes the seed corpus of the fuzz targets into tests/fuzz/corpus.

The seeds are few and small: enough that a fuzzer starts in the middle of the
library instead of at its door. Run it after a change and commit the result.
"""
import pathlib
import random

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"

TARGETS = [
    "tcp://localhost:80", "tcp4://127.0.0.1:1", "tcp6://[::1]:65535",
    "udp://[fe80::1%25lo]:53", "udp4://1.2.3.4:5", "udp6://[::]:9",
    "unix:/tmp/socket", "unix:@abstract", "unix:", "tcp://:80", "tcp://a:0",
    "tcp://a:65536", "tcp://[::1:80", "tcp://[]:80", "http://a:80", "tcp:/a:1",
    "", "tcp://" + "a" * 300 + ":80", "unix:/" + "p" * 120, "tcp://a b:80",
]
OPTIONS = [
    ("max_connections", "20"), ("max_connections", "-1"),
    ("idle_timeout", "5m0s"), ("idle_timeout", "250ms"),
    ("idle_timeout", "1h2m3s4ms"), ("get_timeout", "-1"),
    ("get_timeout", "9223372036854775807"), ("get_timeout", "1e9s"),
    ("health_check", "yes"), ("health_check", "off"), ("idle_order", "lifo"),
    ("fairness", "adaptive"), ("dial_policy", "fail_all"), ("name", "a name"),
    ("target", "tcp://localhost:80"), ("mode", "server"), ("no_such", "1"),
    ("store", "lockfree"), ("log_level", "debug"), ("driver", "pull"),
]
TEXTS = ["", "0", "true", "5m0s", "lifo", "99999999999999999999", "-0x1", "1.5s"]
NAMES = ["client", "SERVER", "tcp", "Udp", "IPv6", "4", "max_connections"]

JSON = [
    "{}", "", "[]", "null", '{"max_connections": 20}',
    '{"idle_timeout": "5m0s", "idle_order": "fifo", "health_check": true}',
    '{"idle_timeout": 300000, "name": "caf\\u00e9", "target": "unix:/a"}',
    '{"max_connections": 1, "max_connections": 2}', '{"listener_fd": 3}',
    '{"max_connections": "20"}', '{"max_connections": 1.5}', '{"nope": 1}',
    '{"name": "a\\u0000b"}', '{"name": {"a": [1, 2, {"b": null}]}}',
    '{"max_connections": 99999999999999999999}', '{"mode": "server"} x',
    '{"fairness": "adaptive", "dial_policy": "wait", "stats": false,}',
    "{" + '"a":' * 200,
]


def write(target, seeds):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for number, seed in enumerate(seeds):
        (folder / f"{number:03}").write_bytes(seed)


def target_strings():
    for text in TARGETS:
        yield b"\0" + text.encode()
    for name, text in OPTIONS:
        yield b"\1" + name.encode() + b"\0" + text.encode()
    for text in TEXTS:
        yield b"\2" + text.encode()
    for text in NAMES:
        yield b"\3" + text.encode()


# Moves of api_sequence by their first byte.
CONFIG, MAKE, GET, END, LEASE, POOL, LOOK, ACQUIRE, ANSWER, QUEUE, GUARD = (
    0, 1, 2, 4, 6, 7, 8, 9, 11, 12, 14)


def api_sequences():
    push, pull = 0, 1
    get = bytes([GET, 1, push, 1, 0])
    put = bytes([END, push, 0, 0])
    yield get + put + get + put + put
    yield get * 4 + bytes([END, push, 0, 1, END, push, 0, 2, END, push, 0, 3])
    acquire = bytes([ACQUIRE, pull, 0, 0, 4, 4, 0, 0, 1, 0])
    fulfil = bytes([ANSWER, pull, 0, 0, 5, 5, 0])
    yield acquire + fulfil + bytes([END, pull, 0, 0])
    yield acquire * 6 + fulfil * 3 + bytes([QUEUE, 0, 0, 3, 0, 0, 0])
    yield acquire + bytes([ANSWER, pull, 0, 2, 6, 5]) + acquire
    for call in range(14):
        yield get * 2 + bytes([POOL, push, call, 1, 1]) + put + get
        yield acquire + bytes([POOL, pull, call, 1, 1]) + fulfil + acquire
    yield bytes([GUARD, 0, 0, 0]) + acquire + fulfil + bytes(
        [GUARD, 0, 0, 1, pull, 0, 0, GUARD, 0, 0, 3])
    yield bytes([255]) + get * 3 + bytes([254]) + get
    chance = random.Random(1)
    for length in (50, 200, 400, 800):
        yield bytes(chance.randrange(256) for _ in range(length))


def main():
    write("target_string", target_strings())
    write("json_config", (text.encode() for text in JSON))
    write("api_sequence", api_sequences())


if __name__ == "__main__":
    main()
