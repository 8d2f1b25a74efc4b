"""SWIG takes the interface, whatever the language, without a warning."""
import genfiles
import pytest

from ncpgen.writers import swig

INTERFACE = genfiles.ROOT / "bindings" / "swig" / "netconnpool_api.i"
MODULE = f"""\
%module probe
%{{
#include "netconnpool.h"
%}}
%include "stdint.i"
%include "{INTERFACE}"
"""


@pytest.mark.parametrize("language", ["lua", "ruby", "perl5", "java",
                                      "python"])
def test_swig_takes_it(run, need, tmp_path, language):
    (tmp_path / "probe.i").write_text(MODULE)
    silent = ["-w801"] if language == "ruby" else []  # names of classes
    printed = run(need("swig"), f"-{language}", *silent, "-outdir", tmp_path,
                  "-o", tmp_path / "probe_wrap.c", tmp_path / "probe.i")
    assert printed == ""


def test_only_what_needs_callbacks_is_left_out():
    header = genfiles.model("""
/** A. */
typedef struct ncp_seen ncp_seen;
/** B. */
typedef struct ncp_unseen ncp_unseen;
/** C. */
typedef int (*ncp_fn)(void *user, ncp_unseen *unseen);
/** D. */
NCP_API int ncp_seen_new(ncp_seen **out);
/** E. */
NCP_API int ncp_seen_call(ncp_seen *seen, ncp_fn fn);
/** F. */
NCP_API int ncp_seen_use(const ncp_seen *seen);
/** G. */
NCP_API int ncp_unseen_use(const ncp_unseen *unseen);
""")
    assert [item.name for item in swig.needs_callback(header)] \
        == ["ncp_seen_call", "ncp_unseen_use"]
