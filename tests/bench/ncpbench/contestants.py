"""Who takes part: builds the contestants and asks each what it can do."""
import dataclasses
import hashlib
import json
import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
# Each has a build.sh; one that is not there is told.
FOLDERS = ("rust", "java", "go", "python", "lua", "net")
# They need nothing of ours: a quick run builds them once.
FOREIGN = ("rust", "java")
BUILD_SECONDS = 1200
LIST_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Missing:
    name: str
    why: str


@dataclasses.dataclass(frozen=True)
class Entry:
    """A subject in a case, as its contestant lists it."""
    program: str
    language: str
    case: str
    subject: str
    version: str = ""
    notes: str = ""
    variants: tuple[dict, ...] | None = None  # None: those of the case


def build_c(build):
    """Configures and builds ncp-bench in release mode; its path."""
    for command in (
            ["cmake", "-S", ROOT, "-B", build, "-G", "Ninja",
             "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DNCP_BUILD_TESTS=ON",
             "-DNCP_WITH_JSON=OFF", "-DNCP_SANITIZE=", "-DNCP_COVERAGE=OFF"],
            ["cmake", "--build", build, "--target", "ncp-bench"]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return pathlib.Path(build) / "tests/bench/ncp-bench"


def _last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def read_build(text):
    """The programs and the missing, as a build.sh prints them."""
    programs, missing = [], []
    for line in map(str.strip, text.splitlines()):
        if line.startswith("missing:"):
            name, _, why = line.removeprefix("missing:").strip().partition(":")
            missing.append(Missing(name.strip(), why.strip()))
        elif line:
            word, _, rest = line.partition(" ")
            programs.append(rest.strip() if word.rstrip(":") == "contestant"
                            else line)
    return programs, missing


def _state_of(folder):
    """What a build of a folder depends on, as far as it is here."""
    state = hashlib.sha256()
    for path in sorted((HERE / folder).rglob("*")):
        if path.is_file():
            state.update(str(path).encode() + path.read_bytes())
    for name in sorted(os.environ):
        if name.startswith("NETCONNPOOL_"):
            state.update(f"{name}={os.environ[name]}".encode())
    return state.hexdigest()


def build_once(folder, build):
    """As build_folder(), or what that said when nothing has changed since."""
    memory = pathlib.Path(build) / f"{folder}.built.json"
    state = _state_of(folder)
    try:
        said = json.loads(memory.read_text(encoding="utf-8"))
        if said["state"] == state and all(
                os.access(path, os.X_OK) for path in said["programs"]):
            return said["programs"], [Missing(*one) for one in said["missing"]]
    except (OSError, ValueError, KeyError):
        pass  # it was not built here, or not by us
    programs, missing = build_folder(folder, build)
    if programs:
        memory.write_text(json.dumps({
            "state": state, "programs": programs,
            "missing": [[one.name, one.why] for one in missing]}),
            encoding="utf-8")
    return programs, missing


def build_folder(folder, build):
    """Runs the build.sh of a folder."""
    script = HERE / folder / "build.sh"
    if not script.exists():
        return [], [Missing("all", f"there is no {script.relative_to(ROOT)}")]
    environment = {**os.environ, "NCP_BUILD_DIR": str(build)}
    try:
        done = subprocess.run(["bash", script], capture_output=True, text=True,
                              env=environment, timeout=BUILD_SECONDS)
    except subprocess.TimeoutExpired:
        return [], [Missing("all", "build.sh did not end")]
    programs, missing = read_build(done.stdout)
    if done.returncode != 0:
        why = f"build.sh failed: {_last_line(done.stderr)}"
        return [], [*missing, Missing("all", why)]
    return programs, missing


def read_list(text, program, language):
    """The entries and the missing, as --list prints them."""
    entries, missing = [], []
    for line in filter(None, map(str.strip, text.splitlines())):
        said = json.loads(line)
        if "missing" in said:
            missing.append(Missing(said["missing"], said.get("why", "")))
            continue
        variants = said.get("variants")
        entries.append(Entry(
            program, said.get("language", language), said["case"],
            said["subject"], said.get("version", ""), said.get("notes", ""),
            tuple(variants) if variants else None))
    return entries, missing


def ask(program, language):
    """What a program can do."""
    try:
        done = subprocess.run([program, "--list"], capture_output=True,
                              text=True, timeout=LIST_SECONDS)
        if done.returncode != 0:
            raise ValueError(_last_line(done.stderr) or "it failed")
        return read_list(done.stdout, str(program), language)
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
        name = f"{language}: {pathlib.Path(program).name}"
        return [], [Missing(name, f"--list: {error}")]


def gather(build, say, languages=(), quick=False):
    """Builds everybody, or those of some languages; their entries and who is
    missing. A quick one builds again only what may have changed."""
    folders = [folder for folder in FOLDERS if not languages
               or (folder if folder != "net" else "c") in languages]
    say("building ncp-bench")
    programs = [(build_c(build), "c")]
    entries, missing = [], []
    for folder in folders:
        say(f"building {folder}")
        how = build_once if quick and folder in FOREIGN else build_folder
        paths, not_had = how(folder, build)
        programs += [(path, "c" if folder == "net" else folder)
                     for path in paths]
        missing += [Missing(f"{folder}: {one.name}", one.why)
                    for one in not_had]
    for program, language in programs:
        listed, not_had = ask(program, language)
        entries += listed
        missing += not_had
    return entries, missing
