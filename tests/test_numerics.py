"""Extreme but legal parameters and data: a finite model or the divergence error, no nonsense."""

import warnings

import numpy as np
import pytest
from implicit.recommender_base import ModelFitError
from scipy.sparse import csr_matrix

from vseens_rec import VSEens
from vseens_rec.choices import Adaptive, Random, Spectral

PAIRWISE = ["hinge", "logistic", "warp"]
LOSSES = [*PAIRWISE, "softmax", "sgns"]


def all_popular_but_one():
    """Every image has every label but the last, which one image has."""
    X = np.ones((30, 12))
    X[:, -1] = 0
    X[3, -1] = 1
    X[5, 4] = 0
    return csr_matrix(X)


DATA = {
    "one label": csr_matrix(np.ones((5, 1))),
    "one image": csr_matrix(np.eye(1, 9, 4)),
    "one pair": csr_matrix(([1.0], ([0], [0])), shape=(1, 1)),
    "all labels": csr_matrix(np.ones((4, 6))),
    "all popular but one": all_popular_but_one(),
    "huge values": csr_matrix(np.eye(6) * 1e300 + np.eye(6, k=1) * 1e-300),
}
PARAMETERS = {
    "learning rate 10": {"learning_rate": 10.0},
    "learning rate 10, without penalty": {"learning_rate": 10.0, "regularization": 0.0},
    "largest learning rate": {"learning_rate": 1e300},
    "smallest learning rate": {"learning_rate": 1e-300},
    "hardest negatives": {"sampler": Adaptive(rank_scale=1e-6)},
    "all ranks": {"sampler": Adaptive(rank_scale=1.0)},
    "flat ranks": {"sampler": Adaptive(rank_scale=1e6)},
    "one factor": {"factors": 1},
    "1000 factors": {"factors": 1000},
    "large penalty": {"regularization": 1e6},
    "large factors": {"init": Random(scale=1e4)},
    "huge factors": {"init": Random(scale=1e30)},
    "no factors": {"init": Random(scale=0.0)},
    "spectral start": {"init": Spectral(scale=0.0)},
    "undamped": {"damped_steps": False, "learning_rate": 1.0},
}


def assert_finite_or_diverged(model, X):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            model.fit(X, show_progress=False)
        except ModelFitError:
            assert model.user_factors is None
            return
    for factors in (model.user_factors, model.item_factors):
        assert np.isfinite(factors).all()
    assert np.isfinite(model.history_["loss"]).all()
    ids, scores = model.recommend(np.arange(X.shape[0]), N=4, filter_already_liked_items=False)
    assert np.isfinite(scores[ids >= 0]).all()
    assert np.isfinite(model.transform(X)).all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("parameters", PARAMETERS.values(), ids=PARAMETERS)
def test_extreme_parameters(annotations, parameters, loss):
    options = {"factors": 8, "iterations": 4, "random_state": 0, "num_threads": 1, "loss": loss}
    assert_finite_or_diverged(VSEens(**options | parameters), annotations[:100])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("positive_sampling", ["pairs", "weighted"])
@pytest.mark.parametrize("X", DATA.values(), ids=DATA)
def test_extreme_data(X, loss, positive_sampling):
    for sampler in ("adaptive", "uniform", "popularity", "exact"):
        model = VSEens(
            factors=8, iterations=3, loss=loss, sampler=sampler, random_state=0, num_threads=1,
            positive_sampling=positive_sampling,
        )  # fmt: skip
        assert_finite_or_diverged(model, X)


@pytest.mark.parametrize("loss", ["softmax", "sgns"])
def test_an_explosion_that_ends_short_of_infinity_is_no_model(annotations, loss):
    """Large factors that stay finite are refused as well."""
    for learning_rate in np.geomspace(0.05, 5, 9):
        model = VSEens(
            factors=8, iterations=8, loss=loss, learning_rate=learning_rate, random_state=0,
            damped_steps=False, num_threads=1,
        )  # fmt: skip
        try:
            model.fit(annotations, show_progress=False)
        except ModelFitError:
            break
        assert max(np.abs(model.user_factors).max(), np.abs(model.item_factors).max()) < 1e5
    else:
        pytest.fail("nothing exploded")
