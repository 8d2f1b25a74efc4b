"""The files of the project look alike and stand on their own."""
import re
import subprocess

import ncpheader
import pytest

C_FOLDERS = ("core", "tests", "examples")
# Absolute places of somebody's machine, and folders beside the repository.
FOREIGN = [
    re.compile(r"(?<![\w.$}/-])/(?:home|root|work|Users)/\w"),
    re.compile(r"\.\./+shared\b"),
]


def files(source):
    """What belongs to the project: known to git, or not ignored by it."""
    done = subprocess.run(
        ["git", "-C", str(source), "ls-files", "-co", "--exclude-standard"],
        capture_output=True, text=True)
    if done.returncode == 0:
        names = done.stdout.splitlines()
    else:
        names = [path.relative_to(source).as_posix()
                 for path in source.rglob("*")
                 if not {".git", "build", "__pycache__"} & set(path.parts)]
    return [source / name for name in names if (source / name).is_file()]


@pytest.fixture(scope="module")
def project():
    found = files(ncpheader.SOURCE)
    assert len(found) > 30
    return found


def foreign(text):
    return [match.group() for pattern in FOREIGN
            for match in pattern.finditer(text)]


def test_c_files_are_formatted(need, source, project):
    chosen = [path for path in project if path.suffix in (".c", ".h")
              and path.relative_to(source).parts[0] in C_FOLDERS]
    assert chosen
    done = subprocess.run(
        [need("clang-format"), "--dry-run", "-Werror", *chosen], cwd=source,
        stderr=subprocess.PIPE, text=True)
    wrong = {line.split(":")[0] for line in done.stderr.splitlines()
             if ": error:" in line}
    if wrong:
        pytest.fail("please run clang-format -i on:\n" + "\n".join(sorted(wrong)),
                    pytrace=False)
    assert done.returncode == 0, done.stderr


def test_shell_scripts_pass_shellcheck(run, need, source, project):
    scripts = [path for path in project if path.suffix == ".sh"
               or path.relative_to(source).as_posix() == ".ci/run"]
    assert scripts
    run(need("shellcheck"), "-x", "--source-path", source, *scripts, cwd=source)


def test_files_name_no_place_outside_the_project(source, project):
    found = []
    for path in project:
        for text in foreign(path.read_text(errors="replace")):
            found.append(f"{path.relative_to(source)}: {text}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("before, after", [
    ("/wo", "rk/x"), ("see /home", "/me"), ("../sh", "ared/x")])
def test_a_place_outside_is_noticed(before, after):
    assert foreign(before + after)


def test_text_files_end_with_one_newline_and_no_blanks(source, project):
    wrong = []
    for path in project:
        name = path.relative_to(source)
        data = path.read_bytes()
        if b"\0" in data or path.suffix in (".abi", ".patch") \
                or "corpus" in name.parts:
            continue
        if data and (not data.endswith(b"\n") or data.endswith(b"\n\n")):
            wrong.append(f"{name}: last line")
        if path.suffix != ".md" and re.search(rb"[ \t]+$", data, flags=re.M):
            wrong.append(f"{name}: blanks at the end of a line")
        if b"\r\n" in data:
            wrong.append(f"{name}: carriage returns")
    assert not wrong, "\n".join(wrong)
