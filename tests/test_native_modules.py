"""The modules of ext/ name what they take, and none takes from one that takes from it."""

import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

EXT = Path(__file__).parents[1] / "ext"
PXD = sorted(EXT.glob("*.pxd"))
PXI = sorted(EXT.glob("*.pxi"))
SOURCES = [*PXD, *PXI]
FROM = re.compile(r"^from (\S+) cimport (\([^)]*\)|.*)$", re.MULTILINE)
INCLUDE = re.compile(r'^include "(.*)"$', re.MULTILINE)
# what a file defines at its top level
DEFINITION = re.compile(
    r"^(?:cdef class|class|ctypedef struct|ctypedef fused|cdef enum) (\w+)(?=.*:$)"
    r"|^(?:cdef|cpdef|def)\b[^(=\n]*?(\w+)\("
    r"|^(\w+) = ",
    re.MULTILINE,
)
MOST_LINES = 600

pytestmark = pytest.mark.skipif(not EXT.is_dir(), reason="the native sources are not here")


def code_of(path):
    """Read a file without its comments and the texts in it."""
    text = re.sub(r'"""(?:.|\n)*?"""', "", path.read_text())
    text = re.sub(r'(?<!include )"[^"\n]*"', '""', text)
    return re.sub(r"#.*", "", text)


def taken_by(path):
    """Tell from which files of ext/ a file takes something."""
    code = code_of(path)
    modules = {match[1] for match in FROM.finditer(code)}
    headers = {f"simd/{name}" for name in re.findall(r'from "simd/(\S+)"', path.read_text())}
    own = {EXT / f"{module}.pxd" for module in modules} & set(PXD)
    return own | {EXT / name for name in INCLUDE.findall(code)} | {EXT / name for name in headers}


def defined_in(path):
    return {
        next(name for name in match.groups() if name)
        for match in DEFINITION.finditer(code_of(path))
    }


def test_no_module_takes_from_one_that_takes_from_it():
    headers = sorted((EXT / "simd").glob("*.h"))
    graph = {path: taken_by(path) for path in SOURCES}
    for header in headers:
        included = re.findall(r'^#include "(.*)"$', header.read_text(), re.MULTILINE)
        graph[header] = {header.parent / name for name in included}
    # of every file there is one that something else takes, or that a module is made of
    whole = {EXT / "kernel.pxi"}
    assert {path for taken in graph.values() for path in taken} | whole == {*SOURCES, *headers}
    order = list(TopologicalSorter(graph).static_order())
    assert len(order) == len(graph)
    assert order.index(EXT / "rng.pxd") < order.index(EXT / "samplers.pxd")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_file_names_what_it_takes(path):
    code = code_of(path)
    assert not re.search(r"^\s*cimport |cimport \*|import \*", code, re.MULTILINE)
    for module, names in FROM.findall(code):
        source = EXT / f"{module}.pxd"
        if source in PXD:
            for name in re.findall(r"\w+", names):
                assert re.search(rf"\b{name}\b", code_of(source)), (module, name)


@pytest.mark.parametrize("path", PXI, ids=lambda path: path.name)
def test_included_files_work_in_any_order(path):
    """None uses what another one defines; a class may be declared beforehand."""
    code = code_of(path)
    declared = set(re.findall(r"^cdef class (\w+)$", code, re.MULTILINE))
    given = {name for _, names in FROM.findall(code) for name in re.findall(r"\w+", names)}
    for other in PXI:
        if other != path:
            foreign = defined_in(other) - defined_in(path) - declared - given
            used = {name for name in foreign if re.search(rf"(?<![.\w]){name}\b(?! *=)", code)}
            assert not used, (other.name, used)


def test_definitions_are_found():
    found = defined_in(EXT / "sampler.pxi")
    assert {"Sampler", "draw_row", "alias_table", "SAMPLERS"} <= found
    assert "Sampler" not in defined_in(EXT / "training.pxi")
    assert {"Training", "train_rows", "COUNTS"} <= defined_in(EXT / "training.pxi")


def test_vector_loops_are_declared_once():
    for path in SOURCES:
        assert ('cdef extern from "simd' in path.read_text()) == (path.name == "simd.pxd")


def test_kinds_have_no_order():
    kinds = "".join(
        re.findall(r"^cdef enum \w+Kind:\n((?: +.*\n|\n)+)", "".join(map(code_of, PXD)), re.M)
    )
    values = "|".join(re.findall(r"\w+", kinds))
    assert "WARP" in values
    for path in SOURCES:
        assert not re.search(rf"[<>]=? *(?:\w+\.)?(?:{values})\b", code_of(path)), path.name


@pytest.mark.parametrize("path", [*SOURCES, *sorted(EXT.rglob("*.h"))], ids=lambda p: p.name)
def test_no_file_is_too_long_to_be_read(path):
    assert len(path.read_text().splitlines()) <= MOST_LINES
