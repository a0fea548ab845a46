"""What the rooms of the package may know of each other."""

import ast
import inspect
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import vseens_rec
from vseens_rec import VSEens

PACKAGE = Path(vseens_rec.__file__).parent
ROOT = Path(__file__).parents[1]
# from what knows nothing to what knows all; a room knows those before it and itself
ROOMS = ("choices", "engine", "files")
MOST_LINES = 600


def name_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py")}


def imported_by(module):
    """The modules of the package that a module imports anywhere, for types alone as well."""
    path = MODULES[module]
    package = module.split(".") if path.name == "__init__.py" and module else module.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = package[: len(package) - (node.level - 1)]
        base += node.module.split(".") if node.module else []
        whole = ".".join(part for part in base if part)
        for alias in node.names:
            inner = ".".join(filter(None, [whole, alias.name]))
            found.add(inner if inner in MODULES else whole)
    return found - {module}


def test_no_circle_of_imports():
    # the package itself imports everything, and only show_config asks it for the version
    graph = {module: imported_by(module) - {""} for module in MODULES if module}
    assert len(graph) > 40
    assert sum(map(len, graph.values())) > 150
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_below_knows_what_is_above(room):
    rooms_below = ROOMS[: ROOMS.index(room) + 1]
    open_to_all = {"_native", "_typing", "_validation", "frames", "_kernel_plain"}
    for module in MODULES:
        if module.split(".")[0] == room:
            above = {
                name
                for name in imported_by(module)
                if name.split(".")[0] not in rooms_below and name not in open_to_all
            }
            assert not above, f"{module} imports {above}"


def test_the_engine_checks_no_input():
    for module in MODULES:
        if module.startswith("engine"):
            assert not {"_validation", "frames"} & imported_by(module)


def test_files_that_one_can_read_at_a_sitting():
    long = {}
    for folder in ("vseens_rec", "ext", "tests", "benchmarks", "tools"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".pyx", ".pxd", ".pxi", ".h"}:
                lines = len(path.read_text().splitlines())
                if lines > MOST_LINES and path.name != "vseens.py":
                    long[str(path.relative_to(ROOT))] = lines
    assert not long


# modules of what is compiled, and names that are other packages' or the language's own
PRIVATE_BUT_OPEN = {
    "_native": "which kernel is loaded, and threads",
    "_platform": "what the build has",
    "_replace": "of named tuples",
    "_repr_html_": "of notebooks",
}
PRIVATE = re.compile(r"_[a-z]\w*")


def private_names_in(path):
    """Names that begin with an underscore and that a file takes from another one, or replaces."""
    for node in ast.walk(ast.parse(path.read_text())):
        taken = []
        if isinstance(node, ast.Attribute):
            taken = [node.attr]
        elif isinstance(node, ast.ImportFrom):
            taken = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Import):
            taken = [part for alias in node.names for part in alias.name.split(".")]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("setattr", "getattr")):
            texts = [text.value for text in node.args if isinstance(text, ast.Constant)]
            taken = [part for text in texts for part in str(text).split(".")]
        yield from filter(PRIVATE.fullmatch, taken)


def test_tests_know_what_is_public():
    """They hold whatever the package does inside, and reach what is compiled."""
    used = {name for path in (ROOT / "tests").glob("*.py") for name in private_names_in(path)}
    assert used == set(PRIVATE_BUT_OPEN)


def test_private_names_are_found(tmp_path):
    (tmp_path / "test.py").write_text(
        "from vseens_rec._one import _two\nimport vseens_rec._three\nmodel._four()\n"
        "monkeypatch.setattr('vseens_rec.room.Class._five', None)\nsetattr(model, '_six', 1)\n"
        "model.__dict__, named_, '_text'\n"
    )
    found = set(private_names_in(tmp_path / "test.py"))
    assert found == {"_one", "_two", "_three", "_four", "_five", "_six"}


def test_parameters_that_one_can_survey():
    assert len(inspect.signature(VSEens).parameters) <= 24
