"""What trainings learn stays as it was: to the bit with the compiler that stored it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from vseens_rec._native import INSTRUCTION_SET_VARIABLE, available_kernels

from .golden_master import SETTINGS, STORED

# sums of rounded numbers differ where multiplications and additions are fused otherwise
CLOSE = {"rtol": 1e-3, "atol": 1e-4}


@pytest.fixture(scope="module", params=available_kernels())
def found_and_stored(request):
    script = STORED.parent.parent / "golden_master.py"
    environment = os.environ | {INSTRUCTION_SET_VARIABLE: request.param}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=True
    )
    stored = json.loads(STORED.read_text())
    # kernels with fused operations agree
    return json.loads(done.stdout), stored.get(request.param, stored["avx2"]), request.param


@pytest.mark.parametrize("name", SETTINGS)
def test_a_training_learns_what_it_did(found_and_stored, name):
    found, stored, kernel = found_and_stored
    one, other = found["settings"][name], stored["settings"][name]
    np.testing.assert_allclose(one["values"], other["values"], **CLOSE)
    comparable = found["compiler"] == stored["compiler"] and kernel in json.loads(
        STORED.read_text()
    )
    # where linear algebra of other libraries takes part, its bits are not ours
    if comparable and "spectral" not in name:
        assert one["bits"] == other["bits"]


def test_the_settings_learn_different_things():
    stored = json.loads(STORED.read_text())
    for kernel in stored.values():
        bits = [setting["bits"] for setting in kernel["settings"].values()]
        assert len(set(bits)) == len(SETTINGS)
