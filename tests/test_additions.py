"""What CONTRIBUTING.md says of an addition is done to a copy of the sources, built and tried."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import vseens_rec

PACKAGE = Path(vseens_rec.__file__).parent
ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "CONTRIBUTING.md"
BUILD = """
from Cython.Build import cythonize
from setuptools import Extension, setup

kernel = Extension(
    "vseens_rec._kernel_plain", ["build/kernels/kernel_plain.pyx"], include_dirs=["ext"],
    # to be built soon, not to be fast
    extra_compile_args=["-O0", "-w"],
)
directives = {"boundscheck": False, "wraparound": False, "cdivision": True,
              "initializedcheck": False}
setup(
    name="addition", packages=[],
    ext_modules=cythonize([kernel], language_level=3, include_path=["ext"],
                          compiler_directives=directives),
)
"""
# a fit by name and by object, a search into its settings, a file, a fold-in
USE = """
import numpy as np
from sklearn.model_selection import GridSearchCV
from vseens_rec import Popularity, VSEens, show_config
from vseens_rec.choices import SquaredHinge
from vseens_rec.datasets import load_emoji
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split

train, test = leave_one_out_split(load_emoji().matrix, random_state=0)
options = {"factors": 16, "iterations": 10, "item_item": None, "regularization": 0.04,
           "random_state": 0}

def ndcg(model):
    return ranking_metrics(model, train, test, "ndcg@10")["ndcg@10"]

model = VSEens(loss="squared_hinge", **options).fit(train, show_progress=False)
assert ndcg(model) > 1.5 * ndcg(Popularity().fit(train))
by_object = VSEens(loss=SquaredHinge(), **options).fit(train, show_progress=False)
np.testing.assert_array_equal(by_object.item_factors, model.item_factors)
hinge = VSEens(loss="hinge", **options).fit(train, show_progress=False)
assert not np.array_equal(hinge.item_factors, model.item_factors)
model.save("model")
np.testing.assert_array_equal(VSEens.load("model").transform(train), model.transform(train))
search = GridSearchCV(
    VSEens(loss=SquaredHinge(), **options | {"iterations": 1}), {"loss__margin": [0.5, 2.0]}, cv=2
).fit(train)
assert search.best_params_["loss__margin"] in (0.5, 2.0)
try:
    VSEens(loss="cubed_hinge").fit(train)
except ValueError as error:
    assert "'squared_hinge'" in str(error)
else:
    raise AssertionError("a loss that there is not")
"""


def has_compiler():
    return shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0]) is not None


pytestmark = [
    pytest.mark.skipif(
        not ((ROOT / "ext").is_dir() and GUIDE.exists()), reason="the sources are not here"
    ),
    pytest.mark.skipif(
        os.name != "posix" or not has_compiler(), reason="needs a compiler with gcc's options"
    ),
]


def changes_in(section):
    """Read the changes that a section of the guide shows: of each file, what stands for what."""
    text = re.search(rf"^## {section}$(.*?)(?=^## |\Z)", GUIDE.read_text(), re.M | re.S)[1]
    for block in re.findall(r"^```diff\n(.*?)^```$", text, re.M | re.S):
        first, *hunks = re.split(r"^@@\n", block, flags=re.M)
        path = re.fullmatch(r"--- (\S+)\n", first)[1]
        for hunk in hunks:
            lines = [(line[:1] or " ", line[1:]) for line in hunk.splitlines()]
            assert {mark for mark, _ in lines} <= set(" +-"), hunk
            old, new = ([line for mark, line in lines if mark != no] for no in "+-")
            yield path, "\n".join(["", *old, ""]), "\n".join(["", *new, ""])


def change(folder, section):
    """Make the changes of a section to a copy of the sources; return the files that have some."""
    changed = set()
    for path, old, new in changes_in(section):
        source = (folder / path).read_text()
        assert source.count(old) == 1, f"{path} has {source.count(old)} times:\n{old}"
        (folder / path).write_text(source.replace(old, new))
        changed.add(path)
    return changed


def run(folder, *command):
    environment = os.environ | {
        "VSEENS_REC_INSTRUCTION_SET": "plain", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A copy of the package, its native sources and its tests, with no kernel built."""
    for module in ("Cython", "setuptools"):
        pytest.importorskip(module, reason="needs what the package is built with")
    folder = tmp_path_factory.mktemp("sources")
    kernels = shutil.ignore_patterns("_kernel_*.so", "__pycache__")
    shutil.copytree(PACKAGE, folder / "vseens_rec", ignore=kernels)
    shutil.copytree(ROOT / "ext", folder / "ext")
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=kernels)
    (folder / "build" / "kernels").mkdir(parents=True)
    (folder / "build" / "kernels" / "kernel_plain.pyx").write_text('include "kernel.pxi"\n')
    (folder / "build.py").write_text(BUILD)
    return folder


def test_a_new_loss(sources):
    changed = change(sources, "A new loss")
    assert {"ext/losses.pxd", "vseens_rec/choices/losses.py", "tests/reference.py"} <= changed
    # nothing but the loss's own files knows of it
    assert {path for path in changed if path.startswith(("ext", "vseens_rec"))} == {
        "ext/losses.pxd", "vseens_rec/choices/losses.py", "vseens_rec/choices/__init__.py",
    }  # fmt: skip
    run(sources, "build.py", "build_ext", "--inplace")
    tests = ["tests/test_kernel.py", "tests/test_losses.py"]
    said = run(sources, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests,
               "-k", "plain and (squared_hinge or tested)")  # fmt: skip
    assert int(re.search(r"(\d+) passed", said)[1]) > 20
    run(sources, "-c", USE)
