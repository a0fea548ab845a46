"""The stubs of the compiled modules name what the modules have."""

import ast
import importlib.resources
import inspect
from types import ModuleType

import pytest

from vseens_rec import _platform
from vseens_rec._native import available_kernels, load_kernel

MODULES = [_platform, *map(load_kernel, available_kernels())]


def read_stub(module):
    name = module.__name__.rpartition(".")[2]
    text = importlib.resources.files("vseens_rec").joinpath(f"{name}.pyi").read_text("utf-8")
    return ast.parse(text)


def names_in(body):
    """Names that a stub declares or exports; an import counts if it is written `x as x`."""
    names = set()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            names.add(node.target.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.name for alias in node.names if alias.name == alias.asname}
    return names


def public_names(owner):
    return {
        name
        for name, value in vars(owner).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }


def parameters_in(function):
    arguments = function.args
    assert arguments.vararg is None
    assert arguments.kwarg is None
    positional = [argument.arg for argument in arguments.posonlyargs + arguments.args]
    return positional, [argument.arg for argument in arguments.kwonlyargs], len(arguments.defaults)


def parameters_of(function):
    parameters = inspect.signature(function).parameters.values()
    positional = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
    keyword_only = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    n_defaults = sum(p.default is not p.empty for p in parameters if p.name in positional)
    return positional, keyword_only, n_defaults


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_stubs_name_what_the_modules_have(module):
    assert names_in(read_stub(module).body) == public_names(module)


@pytest.mark.parametrize("module", [*MODULES[:1], load_kernel("plain")], ids=lambda m: m.__name__)
def test_stubs_have_the_signatures_of_the_modules(module):
    owned = [(module, node) for node in read_stub(module).body]
    for owner, node in list(owned):
        if isinstance(node, ast.ClassDef):
            cls = getattr(owner, node.name)
            assert names_in(node.body) - {"__init__"} == public_names(cls)
            owned += [(cls, inner) for inner in node.body]
    checked = set()
    for owner, node in owned:
        if isinstance(node, ast.FunctionDef) and node.name != "__init__":
            if node.decorator_list:
                continue
            assert parameters_in(node) == parameters_of(getattr(owner, node.name)), node.name
            checked.add(node.name)
    assert checked


def test_the_package_is_marked_as_typed():
    assert importlib.resources.files("vseens_rec").joinpath("py.typed").is_file()
