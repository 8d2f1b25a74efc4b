"""TLS: the handshake is made once a connection, its session used for the next."""
import peers
import pytest
from common import LOCATIONS, POOL, at_once, opening, stats, wait_for


@pytest.fixture(scope="module")
def pair(tmp_path_factory, need):
    need("openssl")
    return peers.certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls(pair):
    one = peers.tls_peer(*pair)
    yield one
    one.stop()


def trusting(pair):
    return f"lua_ssl_trusted_certificate {pair[0]};"


def test_a_tls_connection_is_used_again_without_a_handshake(nginx, tls, pair):
    one = nginx(LOCATIONS, http=trusting(pair), init_worker=opening(
        tls, ssl=True, ssl_verify=True, server_name="localhost"))
    assert [one.text(f"/get?text=t{i}") for i in range(10)] == [
        f"1 t{i}" for i in range(10)]
    assert tls.accepted == 1
    assert stats(one)["reused"] == 9


def test_replies_over_tls_are_not_mixed_up(nginx, tls, pair):
    one = nginx(LOCATIONS, http=trusting(pair), init_worker=opening(
        tls, ssl=True, ssl_verify=True, server_name="localhost",
        max_connections=3))
    replies = at_once(one, [f"/get?text=u{i}" for i in range(60)], threads=12)
    assert [reply.body.split()[1] for reply in replies] == [
        f"u{i}" for i in range(60)]
    assert tls.most <= 3


def test_the_session_is_resumed_by_the_next_connection(nginx, tls, pair):
    one = nginx({**LOCATIONS, "/discard": POOL + """
        local lease = assert(pool:acquire(1000))
        assert(lease:connect())
        lease:discard()
        ngx.say("ok")
    """}, http=trusting(pair), init_worker=opening(
        tls, ssl=True, ssl_verify=True, server_name="localhost",
        max_connections=1))
    for _ in range(4):
        assert one.text("/discard") == "ok"
    assert wait_for(lambda: tls.accepted == 4)
    assert tls.sessions_reused == 3


def test_a_certificate_of_another_name_is_refused(nginx, tls, pair):
    one = nginx(LOCATIONS, http=trusting(pair), init_worker=opening(
        tls, ssl=True, ssl_verify=True, server_name="example.org",
        create_retries=0), allow=("certificate", "ssl"))
    reply = one.get("/get")
    assert reply.status == 503
    assert reply.body.startswith("dial: TLS handshake: ")
    assert "certificate" in reply.body


def test_a_client_made_like_lua_resty_redis_shakes_hands_itself(nginx, tls, pair):
    one = nginx({**LOCATIONS, "/client": POOL + """
        local lease = assert(pool:acquire(1000))
        local client = assert(lease:connect(require("resp").new()))
        client.sock:send("hi\\n")
        ngx.say(client.sock:receive())
        lease:put()
    """}, http=trusting(pair), init_worker=opening(
        tls, ssl=True, ssl_verify=True, server_name="localhost"))
    assert [one.text("/client") for _ in range(3)] == ["1 hi"] * 3
    assert tls.accepted == 1
