"""Looks whether a contestant of the bench keeps to the protocol; judges no speed.

    python check_contestant.py [--build SCRIPT | COMMAND...]

Runs every case that it lists, shortly. SCRIPT is a build.sh, whose programs are looked
at; without it COMMAND is the program.
"""
import json
import math
import subprocess
import sys

SHORT = ["--seconds", "0.03", "--dial-ms", "20"]
PATIENCE = 60

#: What a line must have besides what all have: the name of a figure, least and most.
FIGURES = {
    "uncontended": {"ops": (1, math.inf), "wall_ns_per_op": (0, math.inf)},
    "parallel": {"ops": (1, math.inf), "fairness": (0, 1)},
    "contended": {"ops": (1, math.inf), "fairness": (0, 1),
                  "p50_wait_ns": (0, math.inf), "p99_wait_ns": (0, math.inf),
                  "max_wait_ns": (0, math.inf), "ideal_wait_ns": (0, math.inf)},
    "duel": {"ops": (1, math.inf), "fairness": (0, 1)},
    "waiters": {"handoff_ns": (0, math.inf)},
    "spike": {"opened": (1, 50), "peak": (1, 50), "total_ms": (0, math.inf)},
    "memory": {"pool_bytes": (1, math.inf)},
}


def fail(text):
    sys.exit(f"FAILED: {text}")


def ask(command):
    """The exit code and the lines of JSON that the command prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE,
                          check=False)
    try:
        lines = [json.loads(line) for line in done.stdout.splitlines()]
    except ValueError as error:
        fail(f"{command}: {error}: {done.stdout}")
    if done.returncode != 0 and not done.stderr.strip():
        fail(f"{command} failed and does not say why")
    return done.returncode, lines, done.stderr.strip()


def built(script):
    """The programs that a build.sh names; whatever else it prints is no protocol."""
    done = subprocess.run(["bash", script], capture_output=True, text=True, check=False)
    programs = []
    for line in done.stdout.splitlines():
        word, _, rest = line.partition(" ")
        if word == "contestant":
            programs.append([rest])
        elif word != "missing:" or ": " not in rest:
            fail(f"{script} prints: {line}")
        else:
            print(line)
    if done.returncode != 0 or not programs:
        fail(f"{script} built nothing: {done.stderr}")
    return programs


def check_list(program):
    code, rows, why = ask([*program, "--list"])
    if code != 0:
        fail(f"--list: {why}")
    for row in rows:
        if "missing" in row and row.get("why"):
            print(f"missing: {row['missing']}: {row['why']}")
        elif not {"case", "subject", "version", "language"} <= set(row):
            fail(f"--list prints: {row}")
    return [row for row in rows if "case" in row]


def check_figure(line, name, least, most):
    value = line.get(name)
    if (not isinstance(value, (int, float)) or isinstance(value, bool)
            or not least <= value <= most):
        fail(f"{name} of {line['case']}, {line['subject']}: {value}")


def check_sample(program, row):
    command = [*program, "--case", row["case"], "--subject", row["subject"], *SHORT]
    code, lines, why = ask(command)
    if code != 0 or len(lines) != 1:
        fail(f"{command}: {code}, {len(lines)} lines, {why}")
    line = lines[0]
    if any(line.get(name) != row[name] for name in ("case", "subject", "language")):
        fail(f"{row} was asked for, {line} was given")
    if row["case"] != "memory":
        check_figure(line, "ns_per_op", 0, math.inf)
    for name, (least, most) in FIGURES[row["case"]].items():
        check_figure(line, name, least, most)
    for name in ("over_limit", "lent_twice"):
        if name in line and row["subject"].startswith("netconnpool/"):
            check_figure(line, name, 0, 0)


def check(program):
    rows = check_list(program)
    if not any(row["subject"].startswith("netconnpool/") for row in rows):
        fail(f"{program} lists none of ours")
    for row in rows:
        check_sample(program, row)
    for unknown in (["--case", rows[0]["case"], "--subject", "nobody"],
                    ["--case", "nothing", "--subject", rows[0]["subject"]]):
        code, lines, _ = ask([*program, *unknown])
        if code == 0 or lines:
            fail(f"{program} {unknown} did not fail")
    print(f"{len(rows)} samples of {len({row['subject'] for row in rows})} subjects")


def main():
    if sys.argv[1:2] == ["--build"]:
        programs = built(sys.argv[2])
    else:
        programs = [sys.argv[1:]]
    for program in programs:
        check(program)


if __name__ == "__main__":
    main()
