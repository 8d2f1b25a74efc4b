"""What sites.py finds in sources, and what mutate.py makes of a list."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import mutate  # noqa: E402
import scenes  # noqa: E402
import sites  # noqa: E402

TEXT = """\
/* memory_order_seq_cst in words */
static bool
raise(struct gate *gate, const char *text)
{
    log("atomic_load(x), memory_order_seq_cst");
    if (atomic_fetch_add_explicit(&gate->word, f(1, 2),
                                  memory_order_seq_cst) == 0)
        return atomic_compare_exchange_weak_explicit(
            &gate->word, &old, 1, memory_order_seq_cst, memory_order_relaxed);
    return __atomic_load_n(&gate->other, __ATOMIC_SEQ_CST);
}

int look(struct gate *gate)
{
    return atomic_load_explicit(&gate->word, memory_order_acquire) +
           atomic_load_explicit(&gate->word, memory_order_relaxed) +
           atomic_load(&gate->other);
}
"""


def test_every_order_is_found_where_it_is_and_comments_are_none():
    found = {site.at: (site.order, site.line)
             for site in sites.sites_of(TEXT, "gate.c")}
    assert found == {
        "gate.c raise fetch_add gate->word": ("seq_cst", 6),
        "gate.c raise compare_exchange gate->word": ("seq_cst", 8),
        "gate.c raise compare_exchange gate->word failing": ("relaxed", 8),
        "gate.c raise load gate->other": ("seq_cst", 10),
        "gate.c look load gate->word": ("acquire", 15),
        "gate.c look load gate->word #2": ("relaxed", 16),
        "gate.c look load gate->other": ("seq_cst", 17),
    }


@pytest.mark.parametrize("number, order", [
    (0, "memory_order_acq_rel"), (1, "memory_order_acq_rel"),
    (3, "__ATOMIC_ACQUIRE")])
def test_a_mutant_has_one_weaker_order_and_is_the_same_otherwise(number, order):
    site = sites.sites_of(TEXT, "gate.c")[number]
    text = sites.weakened(TEXT, site)
    assert text.count("seq_cst") + text.count("SEQ_CST") == \
        TEXT.count("seq_cst") + TEXT.count("SEQ_CST") - 1
    assert order in text
    before, after = TEXT[:site.begin], TEXT[site.end:]
    assert text.startswith(before) and text.endswith(after)


def test_an_order_that_is_implied_has_to_be_written_out():
    with pytest.raises(sites.Unknown):
        sites.weakened(TEXT, sites.sites_of(TEXT, "gate.c")[-1])


def test_an_operation_within_another_has_its_own_order():
    text = """void f(void)
{
    atomic_store_explicit(
        &a, atomic_load_explicit(&b, memory_order_acquire),
        memory_order_seq_cst);
}
"""
    assert {site.at: site.order for site in sites.sites_of(text, "f.c")} == {
        "f.c f store a": "seq_cst", "f.c f load b": "acquire"}


def test_a_seq_cst_that_is_passed_on_is_not_understood():
    with pytest.raises(sites.Unknown, match=r"gate.c:3"):
        sites.sites_of("int f(void)\n{\n    raise(memory_order_seq_cst);\n}\n",
                       "gate.c")


def listed(*entries):
    return {entry["role"]: entry for entry in entries}


FOUND = {site.at: site for site in sites.sites_of(TEXT, "gate.c")}
UP = {"role": "up", "at": "gate.c raise fetch_add gate->word", "pairs": "a put"}


@pytest.mark.parametrize("change, said", [
    ({"at": "gate.c raise fetch_sub gate->word"}, "listed, and not there"),
    ({"at": "gate.c look load gate->word"}, "and it is acquire"),
    ({"spare": "why not"}, "one of pairs, spare and other"),
])
def test_a_list_that_is_not_that_of_the_sources_is_told_apart(change, said):
    wrong = mutate.differences(listed(UP | change), FOUND)
    assert any(said in line for line in wrong)


def test_an_order_that_nobody_listed_is_told():
    wrong = mutate.differences(listed(UP), FOUND)
    assert len(wrong) == 3
    assert all("not listed" in line for line in wrong)


def test_a_mutant_that_no_scene_kills_survives_and_one_to_spare_must_not(
        monkeypatch):
    entries, found = mutate.read_list(), sites.sites(mutate.CORE)
    used = {name: set() for name in scenes.SCENES}
    assert not mutate.judge_order("gate.up", entries, found, used).ok
    scene = "a_waiter_and_a_put fast clear"
    used[scene] = {"gate.up"}
    assert mutate.judge_order("gate.up", entries, found, used).ok
    entries["gate.up"] = {"at": entries["gate.up"]["at"], "spare": "a guess"}
    verdict = mutate.judge_order("gate.up", entries, found, used)
    assert not verdict.ok and scene in verdict.text


def test_a_scene_that_breaks_and_one_that_never_ends_are_told(monkeypatch):
    entries, found = mutate.read_list(), sites.sites(mutate.CORE)

    def stuck(t):
        t.wait_until(t.load("never", "acquire"))
    monkeypatch.setattr(scenes, "SCENES", {
        "always bad": lambda o: scenes.Scene([lambda t: 1], lambda saw: True,
                                             {}),
        "stuck": lambda o: scenes.Scene([stuck], lambda saw: False, {})})
    assert mutate.judge_scene("always bad", entries, found).text == "BREAKS"
    assert mutate.judge_scene("stuck", entries, found).text == "never ends"
