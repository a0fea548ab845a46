"""A few hundred of the tables that tools/fuzz_readers.py writes and breaks."""

import collections
import importlib.util
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "fuzz_readers.py"


@pytest.fixture(scope="module")
def fuzz():
    pytest.importorskip("pandas")
    spec = importlib.util.spec_from_file_location("fuzz_readers", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_readers"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["fuzz_readers"]


def test_tables_are_read_as_by_pandas_or_refused(fuzz):
    outcomes = collections.Counter()
    for seed in range(400):
        outcome, problem = fuzz.check(seed)
        assert not problem, f"seed {seed}: {problem}"
        outcomes[outcome] += 1
    # or the test would say nothing
    assert min(outcomes["read"], outcomes["refused"]) > 100
