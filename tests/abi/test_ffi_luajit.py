"""LuaJIT takes the header after the preprocessor, unedited."""
import pathlib

import ncpheader


def test_luajit_agrees_with_c(run, need, tmp_path, library, facts):
    luajit = need("luajit")
    (tmp_path / "declarations.h").write_text(ncpheader.declarations())
    questions = [" ".join(fact.split()[:2]) for fact in facts
                 if not fact.startswith("call ")]
    questions += [f"function {name}" for name in ncpheader.names()]
    (tmp_path / "questions").write_text("\n".join(questions) + "\n")
    script = pathlib.Path(__file__).with_name("luajit_facts.lua")
    printed = run(luajit, script, tmp_path / "declarations.h", library,
                  tmp_path / "questions")
    assert printed.replace("\t", " ").splitlines() == facts
