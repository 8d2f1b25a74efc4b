"""Who binds which function is checked, not believed."""
import genfiles
import pytest
import yaml

from ncpgen import coverage

HEADER = genfiles.model("""
/** A. @since 0.1 */
NCP_API void ncp_a(void);
/** B. @since 0.1 */
NCP_API void ncp_b(void);
""")


def complaints(listed, called):
    language = {"sources": [], "not_bound": listed}
    return [each.split(": ")[1].split(";")[0]
            for each in coverage.complaints(HEADER, "x", language, called)]


def test_a_function_is_used_or_listed():
    assert complaints({"too slow": ["ncp_b"]}, {"ncp_a"}) == []


def test_a_function_that_is_neither_fails():
    assert complaints(None, {"ncp_a"}) == ["ncp_b is neither used nor listed"]


def test_a_function_that_is_both_fails():
    assert complaints({"why": ["ncp_a"]}, {"ncp_a", "ncp_b"}) \
        == ["ncp_a is used and listed as not bound"]


def test_a_function_that_is_none_fails():
    assert complaints({"why": ["ncp_c"]}, {"ncp_a", "ncp_b"}) \
        == ["ncp_c is no function of the header"]


def test_a_function_that_is_listed_twice_fails():
    assert complaints({"why": ["ncp_a"], "or": ["ncp_a"]}, {"ncp_b"}) \
        == ["ncp_a is listed twice"]


@pytest.mark.parametrize("name, text, found", [
    ("a.py", "x = lib.ncp_a()  # and lib.ncp_b()\n", {"ncp_a"}),
    ("a.lua", "local a = C.ncp_a -- C.ncp_b\n--[[ C.ncp_b\n]]\n", {"ncp_a"}),
    ("a.go", "C.ncp_a() // C.ncp_b()\n/* C.ncp_b() */\n", {"ncp_a"}),
])
def test_calls_are_found_and_comments_are_not(tmp_path, name, text, found):
    (tmp_path / name).write_text(text)
    language = {"sources": [{"files": "*.*", "calls": r"\.(ncp_\w+)"}]}
    assert coverage.used(tmp_path, language) == found


def test_every_reason_is_a_sentence_and_every_pattern_finds_something():
    languages = coverage.load(genfiles.ROOT)
    assert set(languages) == {"python", "go", "lua", "swig"}
    for name, language in languages.items():
        for reason in language["not_bound"] or {}:
            assert len(reason.split()) >= 3, f"{name}: {reason}"
        for source in language["sources"]:
            alone = {"sources": [source]}
            assert coverage.used(genfiles.ROOT, alone), f"{name}: {source}"


def test_the_file_has_a_function_once():
    """YAML would keep the last of two equal keys in silence."""
    text = (genfiles.ROOT / "bindings/gen/coverage.yaml").read_text()
    count = sum(len(names) for language in yaml.safe_load(text).values()
                for names in (language["not_bound"] or {}).values())
    assert text.count("- ncp_") == count
