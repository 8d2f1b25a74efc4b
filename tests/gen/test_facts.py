"""The model agrees with the compiler and with the library that was built."""
import genfiles
import ncpheader
import pytest

from ncpgen import library


@pytest.fixture(scope="module")
def api():
    return genfiles.api()


@pytest.fixture(scope="module")
def told(tmp_path_factory, run, cc, library):
    """What the tables of the built library say."""
    from ncpgen import library as tables
    program = tmp_path_factory.mktemp("tables") / "tables"
    run(cc, "-std=c11", "-Wall", "-Wextra", "-Werror",
        f"-I{ncpheader.INCLUDE}", "-o", program, tables.ASK, library,
        f"-Wl,-rpath,{library.parent}")
    return tables.parse(run(program))


def test_layouts_and_values_are_those_of_the_compiler(api, facts):
    expected = [f"const {value['name']} {value['value']}"
                for enum in api["enums"] for value in enum["values"]]
    for struct in api["structs"]:
        expected.append(f"sizeof {struct['name']} {struct['size']}")
        expected += [f"offset {struct['name']}.{field['name']} "
                     f"{field['offset']}" for field in struct["fields"]]
    assert [fact for fact in facts if not fact.startswith("call ")] == expected


def test_macros_are_those_of_the_compiler(api, run, cc, tmp_path):
    lines = "".join(f'    printf("%lld\\n", (long long){macro["name"]});\n'
                    for macro in api["macros"])
    (tmp_path / "m.c").write_text(
        f'#include "netconnpool.h"\n#include <stdio.h>\n'
        f"int main(void)\n{{\n{lines}    return 0;\n}}\n")
    run(cc, "-std=c11", f"-I{ncpheader.INCLUDE}", "-o", tmp_path / "m",
        tmp_path / "m.c")
    assert [int(line) for line in run(tmp_path / "m").split()] \
        == [macro["value"] for macro in api["macros"]]


def test_library_exports_the_functions_of_the_model(api, run, library):
    lines = run("nm", "-D", "--defined-only", library).splitlines()
    exported = {line.split()[-1].split("@")[0] for line in lines}
    assert {name for name in exported if name.startswith("ncp_")} \
        == {item["name"] for item in api["functions"]}


def test_model_has_every_function_of_the_header(api):
    """Found by other means than those of the generator."""
    assert [item["name"] for item in api["functions"]] == ncpheader.names()
    by_name = {item.name: item for item in ncpheader.functions()}
    for item in api["functions"]:
        other = by_name[item["name"]]
        assert [each["name"] for each in item["parameters"]] \
            == other.parameters
        assert item["returns"]["type"].replace(" *", "*") \
            == other.returns.replace(" *", "*")


def test_tables_of_the_model_are_those_of_the_library(api, told):
    assert api["library"]["statuses"] == told["statuses"]
    assert api["library"]["options"] == told["options"]
    assert api["library"]["counters"] == told["counters"]
    assert api["library"]["texts"] == {
        name: {str(value): text for value, text in texts.items()}
        for name, texts in told["texts"].items()}


def rows(api, table, enum, prefix):
    """(name, value) of a table of the library and of an enumeration."""
    told = [(row["name"].upper(), row["value"])
            for row in api["library"][table]]
    values = next(item["values"] for item in api["enums"]
                  if item["name"] == enum)
    written = [(value["name"].removeprefix(prefix), value["value"])
               for value in values if not value["name"].endswith("_COUNT")]
    return told, written


@pytest.mark.parametrize("table, enum, prefix", [
    ("statuses", "ncp_status", ""),
    ("options", "ncp_option", "NCP_OPTION_"),
    ("counters", "ncp_counter", "NCP_COUNTER_"),
])
def test_names_of_the_tables_are_those_of_the_header(api, table, enum, prefix):
    told, written = rows(api, table, enum, prefix)
    assert told == written


def test_options_have_an_honest_range(api):
    for option in api["library"]["options"]:
        for mode, has in option["ranges"].items():
            assert has["min"] <= has["default"] <= has["max"], \
                f"{option['name']} ({mode})"


def test_enumerations_are_one_fact_a_line():
    text = (genfiles.ROOT / "bindings/api.json").read_text()
    assert text.count('"name": "NCP_ETIMEOUT"') == 2  # constant and table
    assert max(map(len, text.splitlines())) < 1000


def test_wrong_tables_would_be_noticed():
    found = library.parse("status\t-1\tNCP_ECLOSED\tclosed\n"
                          "option\t3\tname\t5\t\t0\thelp me\n"
                          "range\t3\tclient\t1\t0\t2\n"
                          "counter\t0\tcreated\t1\t\thelp\n"
                          "text\tncp_mode\t0\tclient\n")
    assert found["statuses"] == [
        {"value": -1, "name": "NCP_ECLOSED", "text": "closed"}]
    assert found["options"][0]["ranges"] == {
        "client": {"default": 1, "min": 0, "max": 2}}
    assert found["counters"][0]["help"] == "help"
    assert found["texts"] == {"ncp_mode": {0: "client"}}
