"""lua_code_cache off: a Lua state for each request, one pool for all of them."""
from common import LOCATIONS, at_once, opening, stats, wait_for


def module(tmp_path, peer, **options):
    """A module of the user's that opens its pools, as the guide says."""
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "pools.lua").write_text("return {p = " + opening(peer, **options) + "}")
    return f"{folder}/?.lua;"


OFF = "lua_code_cache off;"
QUIET = ("lua_code_cache is off",)


def locations():
    return {path: 'require("pools")\n' + text for path, text in LOCATIONS.items()}


def test_the_limit_and_the_counters_are_those_of_the_worker(nginx, peer, tmp_path):
    path = module(tmp_path, peer, max_connections=2)
    one = nginx(locations(), http=OFF, lua_path=path, allow=QUIET,
                init_worker='require("pools")')
    for number in range(5):
        assert one.text(f"/get?text=t{number}").endswith(f" t{number}")
    replies = at_once(one, [f"/get?hold=50&text=x{i}" for i in range(12)])
    assert [reply.body.split()[-1] for reply in replies] == [
        f"x{i}" for i in range(12)]
    assert wait_for(lambda: stats(one)["active"] == 0)
    counted = stats(one)
    assert counted["successful"] == 17 and counted["current"] <= 2


def test_without_init_worker_the_first_request_opens_it(nginx, peer, tmp_path):
    path = module(tmp_path, peer, max_connections=1)
    one = nginx(locations(), http=OFF, lua_path=path, allow=QUIET)
    replies = at_once(one, ["/get?hold=20"] * 6)
    assert {reply.status for reply in replies} == {200}
    counted = stats(one)
    assert counted["successful"] == 6 and counted["current"] <= 1
    # The state that opened the pool lives on, and with it the connection it made.
    assert peer.wait_for_open(1) == 1


def test_states_that_came_and_went_leave_nothing_behind(nginx, peer, tmp_path):
    path = module(tmp_path, peer)
    one = nginx(locations(), http=OFF, lua_path=path, allow=QUIET,
                init_worker='require("pools")')
    for _ in range(60):
        one.text("/get")
    before = one.memory_kb()
    for _ in range(200):
        one.text("/get")
    assert one.memory_kb() < before * 1.2 + 4000
    assert wait_for(lambda: peer.open_count() <= 2)
