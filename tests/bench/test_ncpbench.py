"""What bench.py makes of samples: medians, ratios, verdicts, tables, plots."""
import json
import pathlib
import sys
import xml.etree.ElementTree as tree

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import bench  # noqa: E402
from ncpbench import cases, contestants, figures, plots, report, rounds, svg, targets  # noqa: E402

LOCKFREE = targets.LOCKFREE


def series(subject, *values, case="uncontended", metric="ns_per_op",
           language="c", variant=None, clock="cpu", **more):
    samples = [{metric: value, "clock": clock, **more} for value in values]
    return figures.Series(case, variant or {}, subject, language, "1.0", "",
                          samples)


# ---------------------------------------------------------------------- figures


def test_the_median_and_the_spread_leave_out_what_is_not_there():
    assert figures.spread([3, None, 1, 2]) == figures.Spread(2, 1, 3)
    assert figures.spread([4, 1]) == figures.Spread(2.5, 1, 4)
    assert figures.spread([None]) is None


def test_a_ratio_pairs_what_was_measured_in_the_same_round():
    ours = series("a", 10, 100, 30)
    rival = series("b", 20, 200, 30)
    assert figures.ratio(ours, rival, "ns_per_op") == 0.5
    assert figures.ratio(rival, ours, "ns_per_op") == 2


def test_a_ratio_without_a_pair_is_none():
    assert figures.ratio(series("a", 1), series("b"), "ns_per_op") is None
    assert figures.ratio(series("a", 1), series("b", 0), "ns_per_op") is None
    assert figures.ratio(series("a", 1), series("b", 1), "other") is None


def test_different_clocks_are_compared_by_the_wall():
    ours = series("a", 10, clock="cpu", wall_ns_per_op=40)
    rival = series("b", 80, clock="wall")
    assert figures.ratio(ours, rival, "ns_per_op") == 0.5
    assert figures.ratio(rival, ours, "ns_per_op") == 2
    same = series("c", 20, clock="cpu", wall_ns_per_op=1000)
    assert figures.ratio(ours, same, "ns_per_op") == 0.5


def test_a_part_of_the_variant_finds_a_series():
    two = series("a", 1, case="parallel", variant={"threads": 2, "connections": 2})
    four = series("a", 1, case="parallel", variant={"threads": 4, "connections": 4})
    results = figures.Results([two, four, series("a", case="parallel")])
    assert results.find("parallel", "a", {"threads": 4}) is four
    assert results.find("parallel", "a", {"threads": 8}) is None
    assert [len(group) for group in results.of_case("parallel")] == [1, 1]


# ---------------------------------------------------------------------- targets


def verdict(target, *all_series, quick=False):
    results = figures.Results(all_series)
    return targets.judge(results, {target.letter}, quick, [target])[0]


def test_a_target_has_no_tolerance():
    target = targets.Target("d", "", targets.Of("duel", LOCKFREE, "ns_per_op"),
                            at_most=500)
    for value, state in ((500, targets.HOLDS), (500.001, targets.MISSED)):
        assert verdict(target, series(LOCKFREE, value, case="duel")).state == state


def test_limits_of_all_kinds_are_judged():
    value = targets.Of("spike", LOCKFREE, "opened")
    for limit, found, state in (
            ({"at_least": 3}, 3, targets.HOLDS),
            ({"at_least": 3}, 2.9, targets.MISSED),
            ({"below": 3}, 3, targets.MISSED),
            ({"below": 3}, 2.9, targets.HOLDS),
            ({"at_most": 0}, 0, targets.HOLDS),
            ({"at_most": 0}, 1, targets.MISSED)):
        target = targets.Target("f", "", value, **limit)
        one = series(LOCKFREE, found, case="spike", metric="opened")
        assert verdict(target, one).state == state


def test_the_median_is_judged_not_the_best_round():
    target = targets.Target("d", "", targets.Of("duel", LOCKFREE, "ns_per_op"),
                            at_most=10)
    assert verdict(target, series(LOCKFREE, 9, 11, 12, case="duel")).state == (
        targets.MISSED)


def test_what_was_not_run_is_not_judged():
    target = targets.Target("d", "", targets.Of("duel", LOCKFREE, "ns_per_op"),
                            at_most=500)
    assert verdict(target).state == targets.UNKNOWN
    whole = targets.Target("d", "", target.value, at_most=500, whole_run=True)
    one = series(LOCKFREE, 1, case="duel")
    assert verdict(whole, one, quick=True).state == targets.UNKNOWN
    assert verdict(whole, one).state == targets.HOLDS
    results = figures.Results([one])
    assert targets.judge(results, {"a"}, False, [target]) == []


def test_one_rival_that_is_faster_is_enough_to_miss():
    target = targets.Target(
        "a", "", targets.WorstRival(targets.Of("uncontended", LOCKFREE,
                                               "ns_per_op")), below=1)
    ours = series(LOCKFREE, 20)
    tap = series("netconnpool/tap", 5)
    lock = series("pthread-mutex", 5)
    slow = series("r2d2", 100, language="rust")
    fast = series("apr_reslist", 16)
    assert verdict(target, ours, tap, lock, slow).value == 0.2
    assert verdict(target, ours, tap, lock, slow).state == targets.HOLDS
    assert verdict(target, ours, slow, fast).value == 1.25
    assert verdict(target, ours, slow, fast).state == targets.MISSED
    assert verdict(target, ours, tap).state == targets.UNKNOWN


def test_limits_are_written_out():
    texts = {target.limit_text() for target in targets.TARGETS}
    assert {"at most 1.0", "at least 33,529,430", "below 1"} <= texts


def test_a_language_is_compared_with_its_own_rivals():
    target = targets.Target(
        "a", "", targets.WorstRival(targets.Of("uncontended", "netconnpool/go",
                                               "ns_per_op"), "go"), below=1)
    ours = series("netconnpool/go", 140, language="go")
    puddle = series("puddle", 200, language="go")
    in_c = series("apr_reslist", 40)
    assert verdict(target, ours, puddle, in_c).state == targets.HOLDS


def test_a_ratio_of_two_variants_is_judged():
    line = next(one for one in targets.TARGETS
                if one.what.startswith("hand-off"))
    few = series(LOCKFREE, 100, case="waiters", metric="handoff_ns",
                 variant={"callers": 100})
    for many, state in ((150, targets.HOLDS), (151, targets.MISSED)):
        other = series(LOCKFREE, many, case="waiters", metric="handoff_ns",
                       variant={"callers": 10000})
        assert verdict(line, few, other).state == state


def test_every_target_names_a_case_and_a_limit():
    names = {case.name: case.letter for case in cases.CASES}
    for target in targets.TARGETS:
        value = target.value
        assert {names[of.case] for of in value.figures()} == {target.letter}
        limits = (target.at_most, target.at_least, target.below)
        assert len([limit for limit in limits if limit is not None]) == 1
        assert target.limit_text()


# ------------------------------------------------------------------ contestants


def test_a_build_tells_programs_and_who_is_missing():
    text = ("contestant /tmp/one\n\n/tmp/two\n"
            "missing: bb8: no network: at all\n")
    assert contestants.read_build(text) == (
        ["/tmp/one", "/tmp/two"],
        [contestants.Missing("bb8", "no network: at all")])


def test_a_list_tells_cases_variants_and_who_is_missing():
    text = "\n".join(map(json.dumps, (
        {"case": "duel", "subject": "a", "version": "1", "language": "go"},
        {"case": "sockets", "subject": "b", "variants": [{"size": 64}]},
        {"missing": "c", "why": "not built"})))
    entries, missing = contestants.read_list(text, "/tmp/p", "rust")
    assert [(one.case, one.subject, one.language, one.variants)
            for one in entries] == [("duel", "a", "go", None),
                                    ("sockets", "b", "rust", ({"size": 64},))]
    assert missing == [contestants.Missing("c", "not built")]


def program(tmp_path, text):
    path = tmp_path / "contestant"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_program_that_cannot_list_is_missing(tmp_path):
    for text in ("echo broken >&2; exit 3", "echo no json", "echo '{}'"):
        entries, missing = contestants.ask(program(tmp_path, text), "go")
        assert entries == []
        assert missing[0].name == "go: contestant"
    assert contestants.ask(str(tmp_path / "not there"), "go")[1]


def test_a_folder_without_build_is_told(tmp_path):
    programs, missing = contestants.build_folder("no-such-folder", tmp_path)
    assert programs == []
    assert "no-such-folder" in missing[0].why


def test_only_the_languages_that_are_asked_for_are_built(tmp_path, monkeypatch):
    built = []

    def build_folder(folder, build):
        built.append(folder)
        return [], []
    path = program(tmp_path, "exit 0")
    monkeypatch.setattr(contestants, "build_c", lambda build: path)
    monkeypatch.setattr(contestants, "build_folder", build_folder)
    for languages, expected in (((), contestants.FOLDERS), (("go",), ["go"]),
                                (("c",), ["net"])):
        built.clear()
        contestants.gather(tmp_path, lambda text: None, languages)
        assert built == list(expected)


def test_what_did_not_change_is_not_built_again(tmp_path, monkeypatch):
    monkeypatch.setattr(contestants, "HERE", tmp_path)
    folder = tmp_path / "rust"
    folder.mkdir()
    script = folder / "build.sh"
    script.write_text("echo x >>$NCP_BUILD_DIR/builds\n"
                      "cp /bin/true $NCP_BUILD_DIR/one\n"
                      "echo contestant $NCP_BUILD_DIR/one\n"
                      "echo missing: two: not to be had\n")
    build = tmp_path / "build"
    build.mkdir()

    def builds():
        assert contestants.build_once("rust", build) == (
            [str(build / "one")],
            [contestants.Missing("two", "not to be had")])
        return len((build / "builds").read_text().splitlines())
    assert [builds(), builds()] == [1, 1]
    script.write_text(script.read_text() + "true\n")
    assert [builds(), builds()] == [2, 2]
    monkeypatch.setenv("NETCONNPOOL_RUST", "/tmp/elsewhere")
    assert [builds(), builds()] == [3, 3]
    (build / "one").unlink()
    assert [builds(), builds()] == [4, 4]


# ----------------------------------------------------------------------- rounds


def entry(path, subject, case="duel", variants=None):
    return contestants.Entry(path, "c", case, subject, "1", "", variants)


def make_run(tmp_path, text, **plan):
    jobs = rounds.jobs_of([entry(program(tmp_path, text), "a")],
                          cases.selected(["duel"]), quick=True)
    said = []
    plan = rounds.Plan(rounds=plan.pop("rounds", 2), quick=True, **plan)
    return rounds.Run(jobs, plan, said.append), said


def test_rounds_are_interleaved():
    path = "/tmp/none"
    jobs = rounds.jobs_of([entry(path, "a"), entry(path, "b")],
                          cases.selected(["d"]), quick=False)
    order = []

    def sample(job, seconds):
        order.append(job.series.subject)
        return {"ns_per_op": 1.0}
    run = rounds.Run(jobs, rounds.Plan(rounds=3), lambda text: None)
    run.all_rounds(sample)
    assert order == ["a", "b"] * 3
    assert run.rounds == 3
    assert all(len(job.series.samples) == 3 for job in jobs)


def test_a_program_is_asked_as_agreed(tmp_path):
    run, said = make_run(tmp_path, 'echo "{\\"ns_per_op\\": 5, '
                         '\\"asked\\": \\"$*\\"}"', seconds=0.5)
    run.all_rounds()
    sample = run.jobs[0].series.samples[0]
    assert sample["asked"] == "--case duel --subject a --seconds 0.5"
    assert not run.failures and not run.missing
    assert said[-1] == "round 2 of 2, 1 of 1: duel: a"


def test_who_cannot_is_missing_and_who_fails_has_failed(tmp_path):
    run, _ = make_run(tmp_path, "echo too few threads >&2; exit 77")
    run.all_rounds()
    assert [one.why for one in run.missing] == ["too few threads"]
    assert not run.failures
    for text in ("echo boom >&2; exit 1", "exit 0", "echo no json"):
        run, _ = make_run(tmp_path, text)
        run.all_rounds()
        assert len(run.failures) == 1, text  # and it is not asked again


def test_a_budget_ends_a_run_and_says_so():
    now = [0.0]

    def sample(job, seconds):
        now[0] += 10
        return {"ns_per_op": 1.0}
    jobs = rounds.jobs_of([entry("p", "a"), entry("p", "b")],
                          cases.selected(["d"]), quick=True)
    said = []
    run = rounds.Run(jobs, rounds.Plan(rounds=9, budget=45), said.append,
                     clock=lambda: now[0])
    run.all_rounds(sample)
    assert run.rounds == 2
    assert said[-1] == "no time for round 3"
    now[0] = 0
    run = rounds.Run(jobs, rounds.Plan(rounds=9, budget=5), said.append,
                     clock=lambda: now[0])
    run.all_rounds(sample)
    assert run.left_out == ["duel"]
    assert not run.missing


def test_a_quick_run_leaves_out_what_no_target_needs():
    listed = [entry("p", LOCKFREE), entry("p", "netconnpool/lock"),
              entry("p", "apr_reslist"),
              contestants.Entry("p", "java", "duel", "hikaricp"),
              contestants.Entry("p", "java", "uncontended", "hikaricp")]
    chosen = cases.selected(["a", "d"])

    def subjects(quick):
        return [(job.case.name, job.series.subject)
                for job in rounds.jobs_of(listed, chosen, quick)]
    assert subjects(quick=True) == [("uncontended", "hikaricp"),
                                    ("duel", LOCKFREE), ("duel", "apr_reslist")]
    assert len(subjects(quick=False)) == 5


def test_a_case_has_fewer_rounds_when_it_says_so():
    jobs = rounds.jobs_of([entry("p", LOCKFREE, "spike")],
                          cases.selected(["f"]), quick=True)
    run = rounds.Run(jobs, rounds.Plan(rounds=3, quick=True), lambda text: None)
    run.all_rounds(lambda job, seconds: {"opened": 5})
    assert len(jobs[0].series.samples) == 1


def test_variants_of_a_contestant_are_its_own():
    own = ({"transport": "tcp", "size": 64},)
    jobs = rounds.jobs_of([entry("p", "a", "sockets", own)],
                          cases.selected(["g"]), quick=True)
    assert [job.series.variant for job in jobs] == list(own)
    assert cases.arguments(own[0]) == ["--transport", "tcp", "--size", "64"]
    assert cases.variant_text(own[0]) == "tcp, size 64"
    assert cases.variant_text({"threads": 2}) == "2 threads"
    with pytest.raises(ValueError, match="no such case: z"):
        cases.selected(["a", "z"])


# ----------------------------------------------------------------------- report


def test_numbers_are_short_and_have_no_exponent():
    for value, text in ((None, "-"), (0, "0"), (0.73912, "0.739"), (2, "2"),
                        (21.349, "21.35"), (153.44, "153.4"),
                        (33529430, "33,529,430"), (0.01234, "0.0123")):
        assert report.number(value) == text


def outcome(*all_series, quick=False):
    results = figures.Results(all_series)
    letters = {case.letter for case in cases.CASES}
    return report.Outcome(
        results, targets.judge(results, letters, quick),
        [contestants.Missing("bb8", "no network")], [], 3, quick,
        {"processors": 2, "model": "m", "system": "s", "load_at_start": 0.5},
        "0.1.0")


def test_the_report_has_median_spread_ratio_verdict_and_missing():
    text = report.markdown(outcome(
        series(LOCKFREE, 20, 22, 24), series("pthread-mutex-twice", 44, 44, 44),
        series("netconnpool/go", 100, 100, 100, language="go"),
        series("puddle", 200, 200, 200, language="go")))
    lines = {line.split("|")[1].strip(): [cell.strip() for cell in
                                          line.split("|")[2:-1]]
             for line in text.splitlines() if line.startswith("|")}
    assert lines["pthread-mutex-twice 1.0"] == ["c", "44", "44 to 44", "0.500", "-"]
    assert lines["puddle 1.0"] == ["go", "200", "200 to 200", "0.110", "0.500"]
    assert lines["netconnpool/lockfree 1.0"][1:3] == ["22", "20 to 24"]
    target = lines["(a) by the pool (thread-local), in two mutex pairs"]
    assert target == ["at most 1.6", "0.500", "holds"]
    assert lines["(a) hikaricp, times ours"][-1] == "not measured"
    assert "- bb8: no network" in text


def test_all_lines_of_a_table_are_of_one_length():
    lines = report.table(["", "b"], [["a", "1"], ["long name", "22"]]).split("\n")
    assert len({len(line) for line in lines}) == 1


def test_the_record_is_json_with_every_sample():
    record = json.loads(json.dumps(report.record(outcome(
        series(LOCKFREE, 20, 22, 24)))))
    one = record["series"][0]
    assert one["figures"]["ns_per_op"] == {
        "median": 22, "least": 20, "most": 24, "samples": [20, 22, 24]}
    assert record["missing"] == [{"name": "bb8", "why": "no network"}]
    assert {target["verdict"] for target in record["targets"]} == {
        "not measured"}


# ------------------------------------------------------------------------ plots

NAMESPACE = "{http://www.w3.org/2000/svg}"


def test_a_chart_is_well_formed_and_has_every_point():
    chart = svg.Chart("a < b", "x", "y", [
        svg.Line("one", [(1, 10), (2, 20), (4, 40)]),
        svg.Line("two & three", [(1, 0), (4, 5)])])
    root = tree.fromstring(svg.draw(chart))
    assert len(root.findall(f"{NAMESPACE}polyline")) == 2
    assert len(root.findall(f"{NAMESPACE}circle")) == 5
    words = {text.text for text in root.findall(f"{NAMESPACE}text")}
    assert {"a < b", "x", "y", "one", "two & three"} <= words


def test_larger_values_are_higher_and_further_right():
    root = tree.fromstring(svg.draw(svg.Chart(
        "", "", "", [svg.Line("", [(1, 1), (10, 100), (100, 10000)])],
        log_x=True, log_y=True)))
    places = [(float(dot.get("cx")), float(dot.get("cy")))
              for dot in root.findall(f"{NAMESPACE}circle")]
    assert places == sorted(places)
    assert [y for _, y in places] == sorted((y for _, y in places), reverse=True)
    assert places[1][0] == pytest.approx((places[0][0] + places[2][0]) / 2)


def test_a_logarithmic_axis_leaves_zero_out():
    chart = svg.Chart("", "", "", [svg.Line("", [(0, 1), (1, 1), (10, 2)])],
                      log_x=True)
    root = tree.fromstring(svg.draw(chart))
    assert len(root.findall(f"{NAMESPACE}circle")) == 2
    with pytest.raises(ValueError):
        svg.draw(svg.Chart("", "", "", [svg.Line("", [(0, 1)])], log_x=True))


def test_steps_are_nice():
    assert [svg.nice_step(most) for most in (10, 23, 0.9, 480)] == [
        2, 5, 0.2, 100]
    assert svg.short(10000) == "10k"


def test_the_four_plots_are_drawn(tmp_path):
    found = [
        *(series("a", 50 / n, case="parallel",
                 variant={"threads": n, "connections": n}) for n in (1, 2, 4)),
        *(series("a", 900, case="contended", metric="p99_wait_ns",
                 variant={"threads": n, "connections": 4}, p50_wait_ns=100)
          for n in (8, 16)),
        *(series("a", 200, case="waiters", metric="handoff_ns",
                 variant={"callers": n}) for n in (100, 10000)),
        *(series("a", 100 * n + 8000, case="memory", metric="pool_bytes",
                 variant={"connections": n}) for n in (0, 100, 1000))]
    paths = plots.write(figures.Results(found), tmp_path / "plots")
    assert [path.stem for path in paths] == ["throughput", "waits", "handoff",
                                             "memory"]
    for path in paths:
        tree.parse(path)
    names = [line.name for line in
             plots.charts(figures.Results(found))["waits"].lines]
    assert names == ["a, p50", "a, p99"]
    assert plots.write(figures.Results(), tmp_path) == []


# ------------------------------------------------------------------ the program


def test_bench_runs_its_contestants_and_writes_what_is_asked(
        tmp_path, monkeypatch, capsys):
    path = program(tmp_path, """
case "$*" in
*--list*) echo '{"case": "duel", "subject": "netconnpool/lockfree"}' ;;
*) echo '{"ns_per_op": 30}' ;;
esac""")
    monkeypatch.setattr(contestants, "FOLDERS", ("no-such-folder",))
    monkeypatch.setattr(contestants, "build_c", lambda build: path)
    status = bench.main(["--quick", "--only", "d", "--json",
                         str(tmp_path / "out/a.json"), "--markdown",
                         str(tmp_path / "out/a.md"), "--plots",
                         str(tmp_path / "plots")])
    printed = capsys.readouterr()
    assert status == 0
    assert "round 3 of 3, 1 of 1: duel: netconnpool/lockfree" in printed.err
    assert (tmp_path / "out/a.md").read_text() in printed.out
    record = json.loads((tmp_path / "out/a.json").read_text())
    assert [one["name"] for one in record["missing"]] == [
        "no-such-folder: all"]
    strict = [one for one in record["targets"]
              if one["what"].startswith("strict")]
    assert [one["verdict"] for one in strict] == ["holds"]


def test_what_building_took_is_no_longer_there_for_measuring():
    quick = bench.arguments(["--quick"])
    assert bench.plan_of(quick, 5).budget == 100
    assert bench.plan_of(quick, 500).budget == 40
    assert bench.plan_of(bench.arguments([]), 500).budget is None
    given = bench.plan_of(bench.arguments(["--rounds", "2", "--seconds", "1"]), 0)
    assert (given.rounds, given.seconds) == (2, 1)


def test_bench_fails_when_a_contestant_does(tmp_path, monkeypatch, capsys):
    path = program(tmp_path, """
case "$*" in
*--list*) echo '{"case": "duel", "subject": "a"}' ;;
*) echo 'lost a lease' >&2; exit 1 ;;
esac""")
    monkeypatch.setattr(contestants, "FOLDERS", ())
    monkeypatch.setattr(contestants, "build_c", lambda build: path)
    assert bench.main(["--quick", "--only", "duel"]) == 1
    assert "lost a lease" in capsys.readouterr().out
    assert bench.main(["--only", "nothing"]) == 2
