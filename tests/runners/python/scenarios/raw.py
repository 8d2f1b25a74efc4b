"""The pull driver without a package around it: the steps do its work."""
from netconnpool import _config, _handle, _host
from netconnpool._ffi import ffi, lib

from .verdict import fail


class RawPool(_handle.Handle):
    """A pull pool; what the tests need of one."""

    def close(self):
        self._check(lib.ncp_pool_close(self._c))

    def close_now(self):
        self._check(lib.ncp_pool_close_now(self._c))

    def getconn(self, *_, **__):
        out = ffi.new("ncp_lease *")
        self._check(lib.ncp_pool_get(self._c, out))
        return out[0]

    def try_getconn(self, *_, **__):
        out = ffi.new("ncp_lease *")
        self._check(lib.ncp_pool_try_get(self._c, out))
        return out[0]

    def putconn(self, lease, discard=False):
        put = lib.ncp_pool_discard if discard else lib.ncp_pool_put
        self._check(put(self._c, lease if isinstance(lease, int) else 0))


def make(pool, keywords, host_events, clock):
    """Gives a pool under test its queue and its pool of the library."""
    hooks = {name: keywords.get(name) for name in _host.HOOKS}
    host = _host.Host(lambda: None, None, None, hooks, clock, None)
    config = _config.make(pool.options, mode=lib.NCP_MODE_CLIENT,
                          driver=lib.NCP_DRIVER_PULL)
    host.configure(config, push=False)
    if host.on_leak is not None:
        lib.ncp_py_set_callback(config, lib.NCP_CALLBACK_ON_LEAK, host.number)
    queue = ffi.new("ncp_queue **")
    if lib.ncp_queue_new(queue) != lib.NCP_OK:
        fail("no queue")
    pool.queue = ffi.gc(queue[0], lib.ncp_queue_free)
    lib.ncp_config_set_queue(config, pool.queue)
    lib.ncp_config_set_int(config, lib.NCP_OPTION_HOST_EVENTS, host_events)
    pool.pool = RawPool(config, host)
    pool.handle = pool.pool._c


def add(pool, conn):
    """The handle and the descriptor of a connection that is handed in."""
    handle, fd, _, _ = pool.pool._host.add(conn.raw)
    return handle, fd


def conn_of(scene, pool, handle):
    raw = pool.pool._host.objects.get(handle)
    if raw is None:
        fail(f"the handle {handle} is unknown or closed")
    return scene.peers.of(raw)
