import gzip

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from vseens_rec._native import available_kernels, load_kernel
from vseens_rec.datasets import load_emoji, make_annotations, tokens
from vseens_rec.model_selection import leave_one_out_split


@pytest.fixture(params=available_kernels())
def kernel(request):
    """Every kernel that this processor runs, one after the other."""
    return load_kernel(request.param)


@pytest.fixture(scope="session")
def emoji():
    return load_emoji().matrix


@pytest.fixture(scope="session")
def split(emoji):
    """What is known of the emoji, and a label of each that is held out."""
    return leave_one_out_split(emoji, random_state=0)


@pytest.fixture(scope="session")
def annotations():
    return make_annotations(400, 120, 4000, random_state=0)


class PlantedTopics:
    """Annotations whose law is known, and how much of it a ranking finds."""

    def __init__(self):
        planted = make_annotations(600, 150, 9000, n_topics=6, random_state=1, return_planted=True)
        self.matrix = planted.matrix
        self.known = planted.matrix.toarray() > 0
        self.law = np.where(self.known, 0, planted.image_topics @ planted.topic_labels)

    def held_by_the_first_15(self, scores):
        """Mean share of the law that the 15 best labels hold that an image does not have."""
        first = np.argsort(-np.where(self.known, -np.inf, scores), axis=1)[:, :15]
        return np.take_along_axis(self.law, first, axis=1).sum(axis=1).mean()


@pytest.fixture(scope="session")
def planted():
    return PlantedTopics()


@pytest.fixture
def checkerboard():
    """Even images have the even labels and odd the odd, but for the diagonal."""
    side = np.arange(50)
    board = (side[:, None] % 2 == side % 2) & (side[:, None] != side)
    return csr_matrix(board.astype(np.float32))


@pytest.fixture
def write(tmp_path):
    """Write text to a file, packed if its name says so."""

    def write(text, name="pairs.csv", encoding="utf-8"):
        path = tmp_path / name
        data = text.encode(encoding)
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


@pytest.fixture(params=["pyarrow", "csv"])
def reader(request, monkeypatch):
    """Both ways of splitting lines."""
    if request.param == "csv":
        monkeypatch.setattr(tokens, "arrow", lambda: None)
    return request.param
