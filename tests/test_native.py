"""The choice of the kernel, and the build."""

import os
import subprocess
import sys

import pytest

import vseens_rec
from vseens_rec._native import available_kernels, effective_threads


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("name", available_kernels())
def test_the_instruction_set_can_be_forced(name):
    done = run(
        "import vseens_rec; print(vseens_rec.show_config('dicts')['instruction_set'])",
        VSEENS_REC_INSTRUCTION_SET=name,
    )
    assert done.stdout.strip() == name


def test_an_unknown_instruction_set_is_refused():
    done = run("import vseens_rec", VSEENS_REC_INSTRUCTION_SET="mmx")
    assert "VSEENS_REC_INSTRUCTION_SET is 'mmx'" in done.stderr


def test_config_says_what_is_in_use(capsys):
    config = vseens_rec.show_config(mode="dicts")
    assert config["instruction_set"] in config["instruction_sets"]
    assert config["instruction_sets"][-1] == "plain"
    assert vseens_rec.show_config() is None
    shown = capsys.readouterr().out
    assert config["instruction_set"] in shown
    assert ("without OpenMP" in shown) == (config["openmp"] == 0)
    with pytest.raises(ValueError, match="mode"):
        vseens_rec.show_config("json")


def test_threads_follow_the_environment():
    code = "import vseens_rec; print(vseens_rec.show_config('dicts')['threads'])"
    assert run(code, OMP_NUM_THREADS="1").stdout.strip() == "1"
    openmp = vseens_rec.show_config("dicts")["openmp"]
    assert effective_threads(3) == (3 if openmp else 1)


def test_a_number_of_threads_that_cannot_be_started_is_limited():
    code = """
import numpy as np
from scipy.sparse import random
from vseens_rec import VSEens
from vseens_rec.metrics import ranking_metrics

matrix = random(3000, 40, density=0.2, format="csr", random_state=0)
model = VSEens(factors=4, iterations=1, num_threads=10**9, random_state=0).fit(matrix)
every = np.arange(3000)
model.recommend(every, matrix, N=3)
model.similar_users(every, N=3)
ranking_metrics(model, None, matrix, ["recall@3"], num_threads=10**9)
print("done")
"""
    assert run(code).stdout.strip() == "done"
