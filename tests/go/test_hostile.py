"""The tests of the module while the runtime is at its worst."""
import os

import gotools

LIMIT = "-timeout=50m"
STRESS = {"NCP_GO_STRESS": os.environ.get("NCP_GO_STRESS", "1")}


def test_while_the_collector_never_rests(run):
    run(gotools.go(), "test", "-count=1", LIMIT, ".", cwd=gotools.MODULE,
        env=gotools.environment(GOGC="1", GODEBUG="cgocheck=1", **STRESS))


def test_while_every_write_is_checked_for_pointers_that_c_may_not_have(run):
    program = gotools.go()
    if gotools.version(program) < (1, 21):
        gotools.loudly_skip("the experiment cgocheck2", "it came with Go 1.21")
    run(program, "test", "-count=1", LIMIT, ".", cwd=gotools.MODULE,
        env=gotools.environment(GOEXPERIMENT="cgocheck2", **STRESS))


def test_with_the_race_detector_and_a_single_processor(run):
    program = gotools.go()
    if not gotools.has_race_detector(program):
        gotools.loudly_skip("go test -race", "this Go has no race detector")
    run(program, "test", "-race", "-cpu=1,4", "-count=1", LIMIT, "-run",
        "Stress|Close|Hooks|Callback", ".", cwd=gotools.MODULE,
        env=gotools.environment(GOGC="10", **STRESS))
