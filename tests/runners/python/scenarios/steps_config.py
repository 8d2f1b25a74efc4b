"""Steps on configurations and on the helpers that read and print words."""
import json
import socket

from netconnpool import _config, errors
from netconnpool._ffi import ffi, lib

from . import facts, peers, words
from .steps import expect, operation, pool_of
from .verdict import checked, fail

# What the binding sets itself, and what is no value of its own.
NOT_COMPARED = {"mode", "driver", "host_events", "listener_fd"}


def _mode(step):
    return lib.ncp_mode_parse(step.get("mode", "client").encode())


def _make(step, options):
    return _config.make(options, mode=_mode(step), driver=lib.NCP_DRIVER_PUSH)


def _int(config, name):
    out = ffi.new("int64_t *")
    if lib.ncp_config_get_int(config, words.option_number(name), out) != lib.NCP_OK:
        fail(f"{name} cannot be read")
    return out[0]


def _text(config, name):
    buffer = ffi.new("char[256]")
    if lib.ncp_config_get(config, name.encode(), buffer, 256) < 0:
        fail(f"{name} has no text")
    return ffi.string(buffer).decode()


def _options():
    out = ffi.new("int *")
    names = []
    while lib.ncp_option_at(len(names), out) == lib.NCP_OK:
        names.append(ffi.string(lib.ncp_option_name(out[0])).decode())
    return names


@operation("mutate_config", "pool config")
async def op_mutate_config(scene, step, task):
    """The caller changes the options that it gave, after the pool was made."""
    scene.world.change_options(pool_of(scene, step).options, step["config"])


@operation("defaults", "mode values")
async def op_defaults(scene, step, task):
    config = _make(step, {})
    default = ffi.new("int64_t *")
    for name, bound in step["values"].items():
        lib.ncp_option_range(words.option_number(name), _mode(step), default,
                             ffi.NULL, ffi.NULL)
        facts.check_bound(bound, _int(config, name), name)
        facts.check_bound(bound, default[0], name)


def _made_from(scene, step, options):
    """A configuration, or the result that says why it was refused."""
    try:
        return _make(step, options), scene.world.outcome_of(lib.NCP_OK)
    except errors.PoolError as error:
        if not str(error):
            fail("refused without a reason")
        return None, scene.world.outcome_of(error.status)
    except TypeError as error:  # Python's way to refuse an unknown keyword
        if "unknown keyword" not in str(error):
            raise
        return None, scene.world.outcome_of(lib.NCP_ENOTFOUND)


@operation("config_text", "mode name text expect reads value")
async def op_config_text(scene, step, task):
    name = step["name"]
    config, outcome = _made_from(scene, step, {name: step["text"]})
    expect(scene, step, outcome, name)
    if "reads" in step and _text(config, name) != step["reads"]:
        fail(f"{name} reads back as {_text(config, name)!r}")
    if "value" in step:
        facts.check_bound(step["value"], _int(config, name), name)


def _other_text(name, mode):
    """A valid text that is not the default's."""
    option = words.option_number(name)
    kind = lib.ncp_option_type(option)
    if kind == lib.NCP_TYPE_TEXT:
        return "unix:/tmp/somewhere"
    out = ffi.new("int64_t[3]")
    lib.ncp_option_range(option, mode, out, out + 1, out + 2)
    default, least, most = out
    if kind == lib.NCP_TYPE_BOOL:
        other = not default
    else:
        other = default + 1 if default < most else max(default - 1, least)
    config = ffi.new("ncp_config **")
    lib.ncp_config_new(mode, config)
    config = ffi.gc(config[0], lib.ncp_config_free)
    lib.ncp_config_set_int(config, option, other)
    return _text(config, name)


@operation("config_roundtrip", "mode")
async def op_config_roundtrip(scene, step, task):
    """Every scalar option through texts and through a JSON document."""
    names = [name for name in _options() if name not in NOT_COMPARED]
    options = {name: _other_text(name, _mode(step)) for name in names}
    config = _make(step, options)
    again = _make(step, json.loads(json.dumps(
        {name: _text(config, name) for name in names})))
    for name in names:
        checked()
        texts = options[name], _text(config, name), _text(again, name)
        if len(set(texts)) != 1:
            fail(f"{name} was {texts[0]}, became {texts[1]} and then {texts[2]}")


# --------------------------------------------------------------------- helpers

PARSERS = {"protocol_parse": lib.ncp_protocol_parse, "ip_parse": lib.ncp_ip_parse,
           "mode_parse": lib.ncp_mode_parse}
PRINTERS = {"protocol_text": lib.ncp_protocol_text, "ip_text": lib.ncp_ip_text,
            "mode_text": lib.ncp_mode_text,
            "status_text": lambda name: lib.ncp_status_text(words.status_of(name))}


@operation("helper", "call arg is")
async def op_helper(scene, step, task):
    call, argument = step["call"], step["arg"]
    checked()
    if call in PARSERS:
        given = ffi.NULL if argument is None else argument.encode()
        found = PARSERS[call](given)
    elif call in PRINTERS:
        found = ffi.string(PRINTERS[call](argument)).decode()
    else:
        fail(f"no such helper: {call}")
    if found != step["is"]:
        fail(f"{call}({argument!r}) answers {found!r}")


def _mapped():
    """A connection to an IPv4 address by an IPv6 socket."""
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("::", 0))
        listener.listen(1)
        sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.connect(("::ffff:127.0.0.1", listener.getsockname()[1]))
        return sock


@operation("detect", "kind protocol ip")
async def op_detect(scene, step, task):
    kind = step["kind"]
    if kind == "mapped":
        sock, others = _mapped(), ()
    elif kind == "unconnected_udp6":
        sock, others = peers.bound(socket.AF_INET6, socket.SOCK_DGRAM), ()
    else:
        sock, *others = peers.MAKERS[kind]()
    found = ffi.new("int[2]")
    lib.ncp_fd_detect(sock.fileno(), found, found + 1)
    for one in (sock, *others):
        one.close()
    wanted = [words.number(words.PROTOCOLS, step["protocol"]),
              words.number(words.IPS, step["ip"])]
    checked()
    if list(found) != wanted:
        fail(f"{kind} is found to be {list(found)}, expected {wanted}")


@operation("find", "pool name expect")
async def op_find(scene, step, task):
    out = ffi.new("ncp_pool **")
    status = lib.ncp_pool_find(step["name"].encode(), out)
    expect(scene, step, scene.world.outcome_of(status), "find")
    if status == lib.NCP_OK and out[0] != pool_of(scene, step).handle:
        fail("another pool was found")
    lib.ncp_pool_free(out[0])
