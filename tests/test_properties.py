"""Any input gives a clear exception or finite, valid output.

Set VSEENS_REC_FUZZ_CASES to the number of cases to run more than the few of the test-suite.
"""

import io
import os
import warnings

import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from implicit.recommender_base import ModelFitError

from vseens_rec import VSEens
from vseens_rec.choices import (
    Adaptive,
    ByPopularity,
    Exact,
    Group,
    Hinge,
    Penalty,
    Random,
    Softmax,
    Spectral,
    Violator,
    Warp,
)

CASES = int(os.environ.get("VSEENS_REC_FUZZ_CASES", 0))
FORMATS = ["csr", "csc", "coo", "lil", "dok", "bsr", "dia", "csr_array", "coo_array", "dense"]
TYPES = [
    np.float32, np.float64, np.int8, np.int32, np.int64, np.uint8, np.uint16, bool, np.float16,
]  # fmt: skip
# what is documented to be raised; TypeError for types that no matrix of numbers has
EXPECTED = (ValueError, TypeError, ModelFitError)
VALUES = st.sampled_from([0, 1, 1, 1, 2, 0.5, 1e-30, 1e30, -1, np.nan, np.inf, 255, 1e-45])


@st.composite
def matrices(draw):
    """Matrices of every format, shape and type, with duplicates, zeros and unsorted indices."""
    shape = (draw(st.integers(0, 12)), draw(st.integers(0, 12)))
    n = draw(st.integers(0, 40)) if min(shape) else 0
    rows = draw(st.lists(st.integers(0, max(0, shape[0] - 1)), min_size=n, max_size=n))
    columns = draw(st.lists(st.integers(0, max(0, shape[1] - 1)), min_size=n, max_size=n))
    odd = draw(st.booleans())
    values = draw(st.lists(VALUES, min_size=n, max_size=n)) if odd else [1] * n
    dtype = draw(st.sampled_from(TYPES))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = np.array(values, dtype=np.float64).astype(dtype)
    form = draw(st.sampled_from(FORMATS))
    if form == "csr" and dtype != np.float16 and draw(st.booleans()):
        # as built by hand: neither sorted nor without duplicates
        counts = np.bincount(np.array(rows, int), minlength=shape[0])
        indptr = np.concatenate([[0], np.cumsum(counts)])
        order = np.argsort(np.array(rows, int), kind="stable")
        return scipy.sparse.csr_matrix(
            (values[order], np.array(columns, int)[order], indptr), shape=shape
        )
    if form == "dense" or dtype == np.float16:
        dense = np.zeros(shape, dtype=dtype)
        dense[rows, columns] = values
        return dense
    matrix = scipy.sparse.coo_matrix((values, (rows, columns)), shape=shape)
    if form == "coo":
        return matrix
    if form.endswith("_array"):
        return getattr(scipy.sparse, form)(matrix)
    return matrix.asformat(form)


RANK_SCALES = st.sampled_from([None, 1e-6, 0.1, 1.0, 100.0])
MARGINS = st.sampled_from([0.0, 1e-6, 1e6])
SCALES = st.sampled_from([0.0, 0.03, 1e3])
PARAMETERS = st.fixed_dictionaries(
    {
        "factors": st.sampled_from([1, 2, 3, 16, 17, 40]),
        "iterations": st.integers(0, 3),
        "learning_rate": st.sampled_from([None, None, 0.0, 0.05, 1.0, 10.0, 1e6]),
        "regularization": st.one_of(
            st.sampled_from([0.0, 0.04, 1.0, 1e3]),
            st.builds(Penalty, st.sampled_from([None, 0.1]), violating_only=st.booleans()),
        ),
        "sampler": st.one_of(
            st.sampled_from(["adaptive", "uniform", "popularity", "exact"]),
            st.builds(Adaptive, RANK_SCALES, st.sampled_from([0.0, 8.0])),
            st.builds(Exact, RANK_SCALES),
            st.builds(ByPopularity, st.sampled_from([0.0, 1.0])),
        ),
        "selection": st.one_of(
            st.sampled_from([None, None, "first", "hardest", "group", "violator"]),
            st.builds(Group, st.sampled_from([1, 2, "auto"])),
            st.builds(Violator, st.sampled_from([None, 1, 7]), st.sampled_from([None, 0.5])),
        ),
        "candidates": st.sampled_from([None, None, 1, 2, 5, 300]),
        "loss": st.one_of(
            st.sampled_from(["hinge", "logistic", "warp", "softmax", "sgns"]),
            st.builds(Hinge, MARGINS),
            st.builds(Warp, MARGINS),
            st.builds(Softmax, st.sampled_from([1.0, 1e-3, 1e3]), MARGINS, st.booleans()),
        ),
        "positive_sampling": st.sampled_from(["pairs", "images", "weighted"]),
        "learning_rate_schedule": st.sampled_from(["linear", "constant"]),
        "damped_steps": st.sampled_from([None, None, True, False]),
        "user_learning_rate_multiplier": st.sampled_from([0.0, 1.0, 8.0, 1e3]),
        "use_bias": st.booleans(),
        "cosine": st.booleans(),
        "verify_negative_samples": st.booleans(),
        "init": st.one_of(
            st.sampled_from([None, "spectral", "random"]),
            st.builds(Spectral, SCALES),
            st.builds(Random, SCALES),
        ),
        "fold_in_users": st.booleans(),
        "early_stopping": st.booleans(),
        "dtype": st.sampled_from([np.float32, np.float64]),
        "random_state": st.sampled_from([0, None]),
    }
)


def dense(X):
    return X if isinstance(X, np.ndarray) else X.toarray()


def assert_valid(model, X):
    n_images, n_labels = X.shape
    for factors in (model.user_factors, model.item_factors):
        assert np.isfinite(factors).all()
    ids, scores = model.recommend(np.arange(n_images), N=5)
    assert ids.shape == scores.shape == (n_images, 5)
    assert ids.min() >= -1
    assert ids.max() < n_labels
    assert np.isfinite(scores[ids >= 0]).all()
    assert (scores[ids < 0] == -np.inf).all()
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in ids)
    known = dense(X) != 0
    images, places = np.nonzero(ids >= 0)
    assert not known[images, ids[images, places]].any()
    similar, cosines = model.similar_items(0, N=3)
    assert similar[0] == 0
    assert (np.abs(cosines[similar >= 0]) <= 1 + 1e-5).all()
    assert np.isfinite(model.transform(X)).all()
    lengths = known.sum(axis=1)
    if ((lengths >= 2) & (lengths < n_labels)).any():
        assert 0 <= model.score(X) <= 1
    file = io.BytesIO()
    model.save(file)
    file.seek(0)
    again = type(model).load(file)
    np.testing.assert_array_equal(again.recommend(np.arange(n_images), N=5)[0], ids)


@settings(
    max_examples=CASES or 150,
    deadline=None,
    derandomize=not CASES,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
@given(X=matrices(), parameters=PARAMETERS)
def test_any_input_gives_an_exception_or_valid_output(X, parameters):
    before = X.copy()
    model = VSEens(num_threads=1, **parameters)
    message = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model.fit(X, show_progress=False)
        except EXPECTED as error:
            message = str(error)
        else:
            assert_valid(model, X)
    if message is not None:
        assert message
        assert model.user_factors is None
    np.testing.assert_array_equal(dense(X), dense(before))


@pytest.mark.parametrize("dtype", ["U3", np.complex64, "M8[s]"])
def test_values_that_are_no_numbers(dtype):
    with pytest.raises((ValueError, TypeError)):
        VSEens(iterations=1).fit(np.ones((3, 3)).astype(dtype), show_progress=False)
