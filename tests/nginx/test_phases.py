"""What may be done in which phase."""
import pytest
from common import LOCATIONS, POOL, opening, stats, wait_for

TRY = """
    local pool = assert(require("resty.netconnpool").pool("p"))
    local lease, err, status = pool:try_acquire()
    local seen = ngx.shared.seen
    if lease then
        seen:set("lease", ngx.get_phase() .. " " .. tostring(lease:put()))
    else
        seen:set("lease", status)
    end
    local none, why, state = pool:acquire(100)
    seen:set("acquire", tostring(none) .. " " .. tostring(state) .. " " .. tostring(why))
"""

PLACES = {
    "set": f"set_by_lua_block $x {{ {TRY} return 1 }}\n content_by_lua_block "
           "{ ngx.say('ok') }",
    "header_filter": f"header_filter_by_lua_block {{ {TRY} }}\n"
                     "content_by_lua_block { ngx.say('ok') }",
    "body_filter": f"body_filter_by_lua_block {{ {TRY} }}\n"
                   "content_by_lua_block { ngx.say('ok') }",
    "log": f"log_by_lua_block {{ {TRY} }}\n content_by_lua_block {{ ngx.say('ok') }}",
    "balancer": "proxy_pass http://behind;",
}

SEEN = """
    ngx.say(ngx.shared.seen:get("lease"))
    ngx.say(ngx.shared.seen:get("acquire"))
"""


@pytest.mark.parametrize("phase", list(PLACES))
def test_where_nothing_can_wait_only_try_acquire_works(nginx, peer, phase):
    behind = f"""
        lua_shared_dict seen 1m;
        upstream behind {{
            server 0.0.0.1;
            balancer_by_lua_block {{
                {TRY}
                require("ngx.balancer").set_current_peer("127.0.0.1", {peer.port})
                ngx.exit(500)
            }}
        }}
    """
    one = nginx({**LOCATIONS, "/place": PLACES[phase], "/seen": SEEN}, http=behind,
                init_worker=opening(peer))
    one.text("/get")  # so that there is an idle one
    one.get("/place")
    lease, refusal = wait_for(lambda: one.text("/seen")).splitlines()
    assert lease == f"{phase} true"
    assert refusal.startswith("nil state acquire() may wait, which the phase "
                              f"{phase} cannot")
    assert "try_acquire() works here" in refusal
    counted = stats(one)
    assert counted["active"] == 0 and counted["idle"] == 1


WAITING = {
    "rewrite": "rewrite_by_lua_block",
    "access": "access_by_lua_block",
    "content": "content_by_lua_block",
}


@pytest.mark.parametrize("phase", list(WAITING))
def test_where_code_can_wait_acquire_works(nginx, peer, phase):
    use = POOL + """
        local lease = assert(pool:acquire(2000))
        local sock = assert(lease:connect())
        sock:send("x\\n")
        ngx.ctx.answer = sock:receive()
        lease:put()
    """
    text = f"{WAITING[phase]} {{ {use} {'ngx.say(ngx.ctx.answer)' if phase == 'content' else ''} }}"
    if phase != "content":
        text += "\n content_by_lua_block { ngx.say(ngx.ctx.answer) }"
    one = nginx({**LOCATIONS, "/use": text}, init_worker=opening(peer))
    assert one.text("/use") == "1 x"


def test_a_pool_in_init_by_lua_is_refused_with_the_reason(nginx, peer):
    one = nginx({"/said": "ngx.say(REFUSAL)", **LOCATIONS}, http=f"""
        init_by_lua_block {{
            local pool, err, status = require("resty.netconnpool").open({{
                name = "p", host = "127.0.0.1", port = {peer.port}}})
            REFUSAL = tostring(pool) .. " " .. status .. " " .. err
        }}
    """, init_worker=opening(peer), allow=("writing a global",))
    said = one.text("/said")
    assert said.startswith("nil state a pool belongs to a worker")
    assert "init_worker_by_lua" in said
    assert one.text("/get") == "1 hello", "the module is usable all the same"


def test_a_pool_that_nobody_opened_is_not_there(nginx):
    one = nginx({"/find": """
        local pool, err, status = require("resty.netconnpool").pool("nobody")
        ngx.say(tostring(pool), " ", status, " ", err)
    """})
    assert one.text("/find") == ("nil notfound there is no pool nobody in this "
                                 "worker: open it in init_worker_by_lua*")


@pytest.mark.parametrize(("options", "complaint"), [
    ({"name": None}, "option name is missing"),
    ({"port": None}, "option port is missing"),
    ({"host": None, "port": None}, "where to? host and port"),
    ({"host": 7}, "option host: a string is needed, not a number"),
    ({"max_conections": 3}, "is it max_connections?"),
    ({"max_connections": -1}, "max_connections"),
    ({"host": None, "target": "udp://127.0.0.1:53"}, "is no tcp://host:port"),
])
def test_a_wrong_option_is_refused_with_the_reason(nginx, peer, options, complaint):
    text = opening(peer, **options).removeprefix("assert(").removesuffix(")")
    one = nginx({"/open": f"""
        local pool, err, status = {text}
        ngx.say(tostring(pool), " ", tostring(status), " ", tostring(err))
    """})
    said = one.text("/open")
    assert said.startswith("nil invalidconfig "), said
    assert complaint in said


def test_a_second_pool_of_the_same_name_is_refused(nginx, peer):
    text = opening(peer)
    one = nginx({"/open": "local pool, err = "
                 + text.removeprefix("assert(").removesuffix(")")
                 + "ngx.say(tostring(pool), ' ', err)"}, init_worker=text)
    assert one.text("/open") == 'nil the pool p is open already: pool("p")'
