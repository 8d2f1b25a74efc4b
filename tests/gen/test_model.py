"""What the generator understands of a header: who owns what, what goes in and
out, which errors come."""
import genfiles
import pytest

KNOWN = """\
/** A thing. */
typedef struct ncp_thing ncp_thing;
/** Told of it. */
typedef int (*ncp_thing_fn)(void *user, const ncp_thing *thing);
"""


def function(declaration, comment="Does it.\n@since 0.1"):
    """The model of a single function."""
    lines = "".join(f" * {line}\n" for line in comment.split("\n"))
    text = f"{KNOWN}\n/**\n{lines} */\nNCP_API {declaration};\n"
    return genfiles.model(text).functions[-1]


def parameter(declaration, comment="Does it.\n@since 0.1"):
    return function(f"int ncp_f({declaration})", comment).parameters[0]


def test_a_comment_is_taken_apart():
    found = function("int ncp_f(int a, int b)", """\
What it does, in a sentence
of two lines.

More.

@param a,b both
@param c and
       this
@returns 1, 0
@errors NCP_EINVAL: no;
        NCP_ESYS
@since 0.2""").doc
    assert found.text == ["What it does, in a sentence of two lines.", "More."]
    assert found.params == {"a": "both", "b": "both", "c": "and this"}
    assert found.returns == "1, 0"
    assert found.errors == "NCP_EINVAL: no; NCP_ESYS"
    assert found.since == "0.2"


def test_a_comment_of_one_line_has_tags_too():
    found = function("int ncp_f(void)", "The first. @since 0.3").doc
    assert (found.text, found.since) == (["The first."], "0.3")


@pytest.mark.parametrize("declaration, direction, ownership, length", [
    ("int a", "in", "", ""),
    ("const char *a", "in", "", ""),
    ("ncp_thing *a", "in", "", ""),
    ("struct other *a", "in", "", ""),
    ("const ncp_thing *a", "in", "", ""),
    ("void *a", "in", "", ""),
    ("ncp_thing **out", "out", "caller", ""),
    ("const char **out", "out", "static", ""),
    ("int64_t *out", "out", "", ""),
    ("char *a, size_t size", "out", "", "size"),
    ("uint64_t *a, size_t count", "out", "", "count"),
    ("int64_t *a, int64_t *count", "out", "", ""),
    ("ncp_thing *a, int max", "in", "", "max"),
])
def test_directions_follow_from_types(declaration, direction, ownership,
                                      length):
    found = parameter(declaration)
    assert (found.direction, found.ownership, found.length) \
        == (direction, ownership, length)


def test_a_result_that_is_called_yours_is_the_callers():
    assert parameter("int *out",
                     "F.\n@param out the descriptor, yours").ownership \
        == "caller"


@pytest.mark.parametrize("comment, nullable", [
    ("F.", False),
    ("F.\n@param a may be NULL", True),
    ("F.\n@param a NULL for none", True),
    ("F.\n@param a a number of yours; not NULL", False),
])
def test_the_comment_says_what_may_be_null(comment, nullable):
    assert parameter("ncp_thing *a", comment).nullable is nullable


def test_numbers_are_never_null():
    assert not parameter("int a", "F.\n@param a NULL is nothing").nullable


def test_free_takes_null():
    assert function("void ncp_thing_free(ncp_thing *thing)").parameters[0] \
        .nullable


def test_what_may_be_null_is_looked_up_where_the_comment_refers_to():
    found = genfiles.model(KNOWN + """
/** First. @param a may be NULL */
NCP_API int ncp_first(ncp_thing *a);
/** Second. @param a as ncp_first() */
NCP_API int ncp_second(ncp_thing *a);
/** As ncp_first(), but slower. */
NCP_API int ncp_third(ncp_thing *a);
""")
    assert [item.parameters[0].nullable for item in found.functions] \
        == [True, True, True]


def test_errors_come_with_those_of_the_functions_referred_to():
    found = genfiles.model(KNOWN + """
/** First. @errors NCP_ESYS, NCP_EINVAL for NULL */
NCP_API int ncp_first(void);
/** Second. @errors as ncp_first(), NCP_ENOMEM */
NCP_API int ncp_second(void);
/** As ncp_second(), also NCP_ECLOSED. */
NCP_API int ncp_third(void);
""").functions
    assert found[0].codes == ["NCP_EINVAL", "NCP_ESYS"]
    assert found[1].codes == ["NCP_EINVAL", "NCP_ENOMEM", "NCP_ESYS"]
    assert found[2].codes == ["NCP_ECLOSED", "NCP_EINVAL", "NCP_ENOMEM",
                              "NCP_ESYS"]


def test_functions_that_refer_to_each_other_end():
    found = genfiles.model("""
/** As ncp_second(). */
NCP_API int ncp_first(void);
/** As ncp_first(). Also NCP_ESYS. */
NCP_API int ncp_second(void);
""").functions
    assert found[0].codes == found[1].codes == ["NCP_ESYS"]


@pytest.mark.parametrize("declaration, comment, gives", [
    ("void ncp_f(void)", "F.", "nothing"),
    ("ncp_thing *ncp_f(void)", "F.", "pointer"),
    ("uint64_t ncp_f(void)", "F.", "value"),
    ("int ncp_f(void)", "F.\n@errors NCP_ESYS", "status"),
    ("int ncp_f(void)", "F.\n@returns NCP_OK; NCP_ECLOSED", "status"),
    ("int ncp_f(void)", "F.\n@returns how many; NCP_EINVAL",
     "value or error"),
    ("int ncp_f(void)", "F.\n@returns 1, 0", "value"),
])
def test_what_a_function_gives(declaration, comment, gives):
    assert function(declaration, comment).gives == gives


def test_what_is_returned_is_borrowed_or_static():
    assert function("ncp_thing *ncp_f(void)").ownership == "borrowed"
    assert function("const char *ncp_f(void)",
                    "F.\n@returns a static text").ownership == "static"
    assert function("int ncp_f(void)").ownership == ""


def test_threads_are_any_unless_something_is_said():
    assert function("int ncp_f(void)").threads == "any"
    assert function("int ncp_f(void)",
                    "Does it. One thread at a time. Quickly.").threads \
        == "One thread at a time."


def test_what_the_maker_of_an_object_says_of_threads_holds_for_the_object():
    found = genfiles.model(KNOWN + """
/** Makes it. It belongs to one thread. */
NCP_API int ncp_thing_new(ncp_thing **out);
/** Uses it. */
NCP_API int ncp_thing_use(ncp_thing *thing);
/** Uses something else. */
NCP_API int ncp_other_use(int other);
""").functions
    assert [item.threads for item in found] \
        == ["It belongs to one thread."] * 2 + ["any"]


def test_a_struct_is_laid_out_as_a_compiler_would():
    found = genfiles.model(KNOWN + """
/** S. */
struct ncp_s {
    int32_t a; /**< first */
    ncp_thing *b;
    int32_t c;
    uint64_t d[3]; /**< last */
    int32_t e;
};
""").structs[0]
    assert [(field.name, field.offset, field.size, field.count)
            for field in found.fields] == [
        ("a", 0, 4, 0), ("b", 8, 8, 0), ("c", 16, 4, 0), ("d", 24, 8, 3),
        ("e", 48, 4, 0)]
    assert found.size == 56
    assert [field.doc for field in found.fields] == ["first", "", "", "last",
                                                     ""]


def test_values_of_an_enumeration_keep_their_comments():
    found = genfiles.model("""
/** E. */
enum ncp_e {
    NCP_E_ONE = 1,  /**< the first,
                         in two lines */
    NCP_E_TWO = -2,
    NCP_E_MORE = 0x10 /**< the last */
};
""").enums[0]
    assert [(value.name, value.value, value.doc) for value in found.values] \
        == [("NCP_E_ONE", 1, "the first, in two lines"), ("NCP_E_TWO", -2, ""),
            ("NCP_E_MORE", 16, "the last")]
    assert [found.short(value) for value in found.values] \
        == ["ONE", "TWO", "MORE"]


def test_sections_group_what_follows():
    found = genfiles.model("""
/* ------------------------------------------------------ first things */
/** A. */
NCP_API void ncp_a(void);
/* ------------------------------------------------------------- others */
/** B. */
NCP_API void ncp_b(void);
""").functions
    assert [item.group for item in found] == ["first things", "others"]


def test_macros_have_values():
    found = genfiles.model("#define NCP_A 3\n#define NCP_B "
                           "(-9223372036854775807LL - 1)\n"
                           "#define NCP_C __attribute__((x))\n")
    assert [(item.name, item.value) for item in found.macros] \
        == [("NCP_A", 3), ("NCP_B", -2 ** 63)]
