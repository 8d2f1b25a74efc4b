"""The rules that a public header has to keep; each is broken once."""
import genfiles
import pytest

GOOD = """\
#ifndef X_H
#define X_H
#ifndef NCP_FFI
#include <stdint.h>
#endif
#ifdef __cplusplus
extern "C" {
#endif
/** A thing. */
typedef struct ncp_thing ncp_thing;
/** Which. */
enum ncp_which {
    NCP_WHICH_ONE = 1, /**< the first */
    NCP_WHICH_TWO = 2
};
/**
 * Does it.
 *
 * @param thing what to do it to
 * @errors NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_thing_do(ncp_thing *thing, int which);
/** What comes back. */
enum ncp_status { NCP_EINVAL = -1 };
#ifdef __cplusplus
}
#endif
#endif
"""


def test_a_header_that_keeps_the_rules_is_taken():
    assert genfiles.complaints(GOOD) == []


BROKEN = {
    "a declaration under a condition": (
        "NCP_API int ncp_thing_do(ncp_thing *thing, int which);",
        "#if 1\nNCP_API int ncp_thing_do(ncp_thing *thing, int which);\n#endif",
        "24: a declaration under a condition"),
    "a function that is not exported": (
        "NCP_API int", "int", "23: a function without NCP_API"),
    "a function without a comment": (
        "which);", "which);\n\nNCP_API void ncp_thing_end(ncp_thing *thing);",
        "25: ncp_thing_end is not documented"),
    "a function that does not say since when": (
        " * @since 0.1\n", "", "22: ncp_thing_do does not say since when"),
    "a function that does not say what it returns": (
        " * @errors NCP_EINVAL\n", "",
        "22: ncp_thing_do does not say what it returns"),
    "errors of a function that returns none": (
        "NCP_API int", "NCP_API void", "23: ncp_thing_do returns no status"),
    "a parameter that is not there": (
        "@param thing", "@param thong", "23: ncp_thing_do has no parameter thong"),
    "a parameter that is described twice": (
        " * @errors", " * @param thing again\n * @errors",
        "16: @param thing stands twice"),
    "a tag that is none": (" * @errors", " * @error", "16: @error is no tag"),
    "a result that is not last": (
        "ncp_thing *thing, int which", "ncp_thing **out, ncp_thing *thing",
        "23: ncp_thing_do: results come last"),
    "a value that is not written down": (
        "NCP_WHICH_TWO = 2", "NCP_WHICH_TWO", "14: NCP_WHICH_TWO has no value"),
    "a value that is used twice": (
        "NCP_WHICH_TWO = 2", "NCP_WHICH_TWO = 1",
        "14: NCP_WHICH_TWO has the value of NCP_WHICH_ONE"),
    "a constant of another name": (
        "NCP_WHICH_TWO", "WHICH_TWO", "14: WHICH_TWO begins with NCP_"),
    "a type of another name": (
        "typedef struct ncp_thing ncp_thing;",
        "typedef struct ncp_thing ncp_thing;\n/** A. */\n"
        "typedef struct thong thong;", "12: thong begins with ncp_"),
    "a type without a comment": (
        "/** A thing. */\n", "", "9: ncp_thing is not documented"),
    "two declarations in one": (
        "typedef struct ncp_thing ncp_thing;",
        "typedef struct ncp_thing ncp_thing, ncp_other;",
        "10: one declaration a statement; write each on its own"),
    "a name in a comment that is none": (
        "@errors NCP_EINVAL", "@errors NCP_EINVALID", "20: there is no NCP_EINVALID"),
    "a function in a comment that is none": (
        "what to do it to", "see ncp_thong_do()",
        "19: there is no ncp_thong_do"),
    "a field without a fixed size": (
        "/** Which. */", "/** S. */\nstruct ncp_s {\n    long a;\n};\n"
        "/** Which. */", "13: a field of type long"),
    "a variable": (
        "#endif\n#endif\n", "#endif\nNCP_API extern int ncp_count;\n#endif\n",
        "29: only functions and types belong here"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_rule_is_refused_with_its_line(what):
    before, after, complaint = BROKEN[what]
    assert GOOD.count(before) >= 1
    broken = GOOD.replace(before, after, 1)
    assert any(found.startswith(complaint)
               for found in genfiles.complaints(broken)), \
        genfiles.complaints(broken)
