import numpy as np
import pytest
from scipy.sparse import csr_matrix

from vseens_rec._native import available_kernels, load_kernel
from vseens_rec.datasets import load_emoji, make_annotations


@pytest.fixture(params=available_kernels())
def kernel(request):
    """Every kernel that this processor runs, one after the other."""
    return load_kernel(request.param)


@pytest.fixture(scope="session")
def emoji():
    return load_emoji().matrix


@pytest.fixture(scope="session")
def annotations():
    return make_annotations(400, 120, 4000, random_state=0)


@pytest.fixture
def checkerboard():
    """Even images have the even labels and odd the odd, but for the diagonal."""
    side = np.arange(50)
    board = (side[:, None] % 2 == side % 2) & (side[:, None] != side)
    return csr_matrix(board.astype(np.float32))
