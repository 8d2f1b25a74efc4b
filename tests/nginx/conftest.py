"""Fixtures of the tests inside nginx."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import peers  # noqa: E402 (the path has to be set before)
import server  # noqa: E402


@pytest.fixture
def peer():
    one = peers.Peer()
    yield one
    one.stop()


@pytest.fixture
def nginx(need, library, tmp_path, peer):  # the peer is there until nginx is gone
    """nginx(locations, ...) starts one; afterwards its log is looked at: the test
    says which lines it expects with `allow`."""
    started = []

    def start(locations, allow=(), **options):
        program = need("nginx", "openresty")
        if not server.module_lines() and "openresty" not in program:
            pytest.skip("this nginx has no Lua module")
        folder = tmp_path / f"nginx{len(started)}"
        folder.mkdir()
        one = server.Nginx(program, library, folder, locations, **options)
        started.append((one, allow))
        return one.start()

    yield start
    complaints = []
    for one, allow in started:
        try:
            one.stop()
        except AssertionError as error:
            complaints.append(str(error))
        complaints += one.complaints(allow)
    assert complaints == []
