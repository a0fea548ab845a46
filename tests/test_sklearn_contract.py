"""scikit-learn's estimator checks, and the estimator inside its tools."""

import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from vseens_rec import VSEens
from vseens_rec.choices import Adaptive


@parametrize_with_checks([VSEens(factors=5, iterations=10)])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_parameters_round_trip_and_clone(annotations):
    generator = np.random.default_rng(0)
    model = VSEens(factors=7, loss="hinge", sampler=Adaptive(), random_state=generator)
    copy = clone(model)
    assert copy.get_params()["factors"] == 7
    assert copy.set_params(loss="logistic", sampler__rank_scale=0.3).sampler.rank_scale == 0.3
    assert model.sampler == Adaptive()
    fitted = clone(model.fit(annotations, show_progress=False))
    assert fitted.user_factors is None
    assert not hasattr(fitted, "history_")


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(VSEens(factors=7)) == "VSEens(factors=7)"


def test_progress_shows_where_somebody_looks(checkerboard, capsys, monkeypatch):
    VSEens(factors=3, iterations=2).fit(checkerboard)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    VSEens(factors=3, iterations=2).fit(checkerboard)
    shown = capsys.readouterr().err
    assert "2/2" in shown
    assert "loss=" in shown
    assert "violations=" in shown
    VSEens(factors=3, iterations=2).fit(checkerboard, show_progress=False)
    cross_val_score(VSEens(factors=3, iterations=2), checkerboard, cv=2)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("y", [None, np.zeros(50), np.zeros((50, 50)), "ignored"])
def test_fit_ignores_y(checkerboard, y):
    model = VSEens(factors=3, iterations=2, random_state=0)
    expected = clone(model).fit(checkerboard, show_progress=False).item_factors
    np.testing.assert_array_equal(
        model.fit(checkerboard, y, show_progress=False).item_factors, expected
    )
