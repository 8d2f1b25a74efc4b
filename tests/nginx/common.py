"""What most of these tests serve and ask."""
import concurrent.futures
import time

POOL = """
    local pool = assert(require("resty.netconnpool").pool("p"))
"""

# /get?text=T&hold=MS&timeout=MS: borrows, sends the line T, holds the lease for a
# while, gives it back, says what the peer answered.
GET = POOL + """
    local arguments = ngx.req.get_uri_args()
    local lease, err, status = pool:acquire(tonumber(arguments.timeout or 10000))
    if not lease then
        ngx.status = 503
        ngx.say(status, ": ", tostring(err))
        return
    end
    local sock, why = lease:connect()
    if not sock then
        lease:discard()
        ngx.status = 502
        ngx.say("connect: ", tostring(why))
        return
    end
    sock:send((arguments.text or "hello") .. "\\n")
    local answer = sock:receive()
    if arguments.hold then ngx.sleep(tonumber(arguments.hold) / 1000) end
    local ok, put_err = lease:put()
    if not ok then ngx.log(ngx.ERR, "put: ", put_err) end
    ngx.say(answer)
"""

STATS = POOL + """
    for name, value in pairs(pool:stats()) do ngx.say(name, "=", value) end
"""

DESCRIBE = POOL + "ngx.say(pool:describe())"

LOCATIONS = {"/get": GET, "/stats": STATS, "/describe": DESCRIBE,
             "/hello": "ngx.say('hello')"}


def opening(peer, **options):
    """Lua that opens the pool p; a value that begins with "=" is Lua."""
    told = {"name": "p", "host": "127.0.0.1", "port": peer.port if peer else 1,
            "max_connections": 2, "min_connections": 0, **options}
    fields = []
    for name, value in told.items():
        if value is None:
            continue
        if isinstance(value, bool):
            value = str(value).lower()
        elif isinstance(value, str):
            value = value[1:] if value.startswith("=") else f'"{value}"'
        fields.append(f"{name} = {value}")
    return f'assert(require("resty.netconnpool").open({{{", ".join(fields)}}}))'


def stats(server):
    lines = server.text("/stats").splitlines()
    return {name: int(float(value))
            for name, value in (line.split("=") for line in lines)}


def wait_for(look, limit=10):
    """Waits until look() is true; its last answer."""
    end = time.monotonic() + limit
    while True:
        found = look()
        if found or time.monotonic() > end:
            return found
        time.sleep(0.02)


def at_once(server, paths, threads=None):
    """Gets many paths beside each other: the replies in the order of the paths."""
    with concurrent.futures.ThreadPoolExecutor(threads or len(paths)) as crew:
        return list(crew.map(lambda path: server.get(path, limit=60), paths))
