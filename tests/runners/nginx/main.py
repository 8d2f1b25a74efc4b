#!/usr/bin/env python3
"""ncp-scenario for nginx: runs scenario documents inside a worker and prints a line of
JSON for each.

    main.py DOCUMENT...

One nginx serves all documents of a call. NETCONNPOOL_LIBRARY names the library,
NETCONNPOOL_JSON_LIBRARY the one that reads JSON.
"""
import http.client
import json
import os
import pathlib
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
LUA = HERE.parent / "lua"
sys.path.insert(0, str(HERE.parents[1] / "nginx"))

import server  # noqa: E402 (the path has to be set before)

HTTP = """
    client_max_body_size 64m;
    client_body_buffer_size 64m;
    lua_max_running_timers 4096;
    lua_max_pending_timers 4096;
"""
MAIN = "worker_rlimit_nofile 4096; env NETCONNPOOL_JSON_LIBRARY;"
LOCATION = {"/run": "content_by_lua_file " + str(HERE / "run.lua") + ";"}


def limit_s():
    return float(os.environ.get("NCP_SCENARIO_LIMIT", "20"))


def failed(path, reason):
    try:
        name = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["id"]
    except (OSError, ValueError, KeyError):
        name = "?"
    return {"id": name, "result": "fail", "reason": reason, "counters": {}}


def verdict(one, path):
    try:
        reply = one.get("/run", body=pathlib.Path(path).read_bytes(),
                        limit=limit_s())
    except (OSError, http.client.HTTPException) as error:
        return failed(path, f"no verdict: {error!r}\n{one.log()[-2000:]}")
    if reply.status != 200:
        return failed(path, f"no verdict: {reply}\n{one.log()[-2000:]}")
    result = json.loads(reply.body)
    result["counters"] = result.get("counters") or {}
    complaints = one.complaints()
    if complaints and result["result"] == "pass":
        return failed(path, "lines in the log: " + "\n".join(complaints))
    return result


def start(folder):
    program = shutil.which("nginx") or shutil.which("openresty")
    one = server.Nginx(program, os.environ["NETCONNPOOL_LIBRARY"], folder, LOCATION,
                       http=HTTP, main=MAIN, level="error",
                       lua_path=f"{HERE}/?.lua;{LUA}/?.lua;")
    return one.start()


def main(paths):
    if not paths:
        print(__doc__, file=sys.stderr)
        return 2
    code = 0
    with tempfile.TemporaryDirectory(prefix="ncp-nginx-") as name:
        one = None
        for number, path in enumerate(paths):
            if one is None:
                folder = pathlib.Path(name) / str(number)
                folder.mkdir()
                one = start(folder)
            result = verdict(one, path)
            print(json.dumps(result), flush=True)
            if result["result"] == "fail":
                code = 1
                one.kill()  # what it left behind is not for the next one
                one = None
        if one is not None:
            one.kill()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
