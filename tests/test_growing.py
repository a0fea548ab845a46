"""Models that grow: images and labels that come later, and trainings that go on."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone

from vseens_rec import Popularity, VSEens
from vseens_rec.choices import EarlyStopping
from vseens_rec.engine.updates import grown


def fit(model, matrix, **parameters):
    # what is folded in are factors
    model = clone(model).set_params(**{"random_state": 0, "item_item": None} | parameters)
    return model.fit(matrix, show_progress=False)


@pytest.fixture(scope="module")
def fitted(annotations):
    return fit(VSEens(factors=12, iterations=30), annotations)


def test_partial_fit_users_grows_the_model(annotations):
    model = fit(VSEens(factors=8, iterations=20), annotations[:300])
    old = model.user_factors.copy()
    model.partial_fit_users([305, 2], annotations[[305, 306]])
    assert model.user_factors.shape == (306, 9)
    np.testing.assert_array_equal(model.user_factors[305], model.transform(annotations[[305]])[0])
    np.testing.assert_array_equal(model.user_factors[2], model.transform(annotations[[306]])[0])
    np.testing.assert_array_equal(np.delete(model.user_factors[:300], 2, 0), np.delete(old, 2, 0))
    np.testing.assert_array_equal(model.user_factors[302], [0.0] * 8 + [1.0])
    # what it remembers has changed as well
    liked = model.recommend(2, N=120)[0]
    assert not set(liked) & set(annotations[[306]].indices)
    assert set(annotations[[2]].indices) - set(annotations[[306]].indices) <= set(liked)
    assert not set(model.recommend(305, N=120)[0]) & set(annotations[[305]].indices)
    assert set(model.recommend(302, N=120)[0]) == set(range(120))


def test_partial_fit_items_grows_the_model(annotations):
    model = fit(VSEens(factors=8, iterations=50), annotations[:, :100])
    columns = annotations.T.tocsr()
    model.partial_fit_items(np.arange(100, 120), columns[100:])
    assert model.item_factors.shape == (120, 9)
    assert model.n_features_in_ == 120
    assert model.transform(annotations).shape == (400, 9)
    for image in (0, 33):
        recommended = set(model.recommend(image, N=120)[0]) - {-1}
        assert recommended == set(range(120)) - set(annotations[[image]].indices)
    # new labels score higher for the images that have them
    gains = []
    for label in range(100, 120):
        scores = model.user_factors @ model.item_factors[label]
        has = np.isin(np.arange(400), columns[label].indices)
        gains.append((scores[has].mean() - scores[~has].mean()) / scores.std())
    assert np.mean(gains) > 0.3


def test_partial_fits_of_popularity(annotations):
    model = Popularity().fit(annotations[:300, :100])
    model.partial_fit_users(302, annotations[[302], :100])
    model.partial_fit_items([100], annotations[:303].T.tocsr()[[100]])
    assert model.user_factors.tolist() == [[1.0]] * 303
    assert model.item_factors[100] == annotations[:303, 100].nnz


def test_factors_that_the_fitted_matrix_does_not_belong_to(annotations):
    columns = annotations.T.tocsr()[[0]]
    fewer_labels = fit(VSEens(factors=8, iterations=2), annotations)
    fewer_labels.item_factors = fewer_labels.item_factors[:50]
    fewer_images = fit(VSEens(factors=8, iterations=2, sampler="uniform"), annotations)
    fewer_images.user_factors = fewer_images.user_factors[:10]
    with pytest.raises(ValueError, match="400 images and 50 labels do not belong"):
        fewer_labels.recalculate_item(0, columns)
    with pytest.raises(ValueError, match="10 images and 120 labels do not belong"):
        fewer_images.recalculate_item(0, columns[:, :10])


def test_errors_of_partial_fits(fitted, annotations):
    with pytest.raises(ValueError, match="userids has 1 more than once"):
        fitted.partial_fit_users([1, 1], annotations[:2])
    with pytest.raises(ValueError, match="400 images"):
        fitted.partial_fit_items([1], annotations[:1])
    with pytest.raises(ValueError, match="119"):
        fitted.partial_fit_users([1], annotations[:1, :119])
    with pytest.raises(IndexError, match="userids"):
        fitted.partial_fit_users([-1], annotations[:1])


def test_a_model_saved_without_its_matrix_cannot_fold_labels_in(fitted, annotations, tmp_path):
    fitted.save(tmp_path / "model", fitted_matrix=False)
    loaded = VSEens.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.transform(annotations), fitted.transform(annotations))
    with pytest.raises(ValueError, match="does not hold the matrix"):
        loaded.recalculate_item(0, annotations.T.tocsr()[[0]])
    users = loaded.user_factors.shape[0]
    loaded.partial_fit_users([users], annotations[[0]])
    assert len(loaded.user_factors) == users + 1


def test_warm_start_goes_on(split):
    train, held_out = split
    warm = fit(VSEens(iterations=25, warm_start=True, init="random", num_threads=1), train)
    first = warm.score(train, held_out)
    warm.fit(train, show_progress=False)
    assert warm.n_iter_ == 50
    assert {len(values) for values in warm.history_.values()} == {50}
    assert warm.history_["loss"][25] < 0.6 * warm.history_["loss"][0]
    assert warm.score(train, held_out) > first
    cold = fit(VSEens(iterations=25, num_threads=1), train)
    cold.fit(train, show_progress=False)
    assert cold.n_iter_ == 25


def test_warm_start_on_a_larger_matrix(split):
    train, held_out = split
    n_images, n_labels = 1600, 1000
    warm = fit(VSEens(warm_start=True, iterations=60), train[:n_images, :n_labels])
    users, items = warm.user_factors, warm.item_factors
    warm.set_params(iterations=0).fit(train, show_progress=False)
    np.testing.assert_array_equal(warm.item_factors[:n_labels], items)
    assert warm.user_factors.shape[0] == train.shape[0]
    folded = warm.score(train, held_out)
    assert folded > 4 * Popularity().fit(train).score(train, held_out)
    warm.set_params(iterations=20).fit(train, show_progress=False)
    assert warm.score(train, held_out) > folded
    assert warm.n_iter_ == 80
    kept = fit(VSEens(warm_start=True, iterations=0, fold_in_users=False), train[:n_images])
    users = kept.user_factors
    kept.fit(train, show_progress=False)
    np.testing.assert_array_equal(kept.user_factors[:n_images], users)


def test_what_warm_start_refuses(fitted, annotations):
    model = clone(fitted).set_params(warm_start=True, random_state=0)
    model.fit(annotations, show_progress=False)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=r"the model \(400, 120\)"):
        model.fit(annotations[:399], show_progress=False)
    assert vars(model) == before
    model.set_params(factors=13)
    with pytest.raises(ValueError, match="factors=13"):
        model.fit(annotations, show_progress=False)
    model.set_params(factors=12, use_bias=False)
    with pytest.raises(ValueError, match="use_bias=False"):
        model.fit(annotations, show_progress=False)


def test_growing_factors():
    assert grown(np.ones((1, 2)), 3, [0, 2]).tolist() == [[1, 1], [0, 2], [0, 2]]


def test_histories_across_warm_starts_have_a_value_for_every_epoch(annotations):
    model = fit(VSEens(factors=8, iterations=3, warm_start=True), annotations)
    model.set_params(early_stopping=True).fit(annotations, show_progress=False)
    assert model.best_iteration_ >= 3
    model.set_params(early_stopping=False).fit(annotations, show_progress=False)
    assert not hasattr(model, "best_iteration_")
    assert {len(values) for values in model.history_.values()} == {9}
    np.testing.assert_array_equal(
        np.isnan(model.history_["validation"]), [True] * 3 + [False] * 3 + [True] * 3
    )


def test_a_warm_start_is_not_measured_on_what_it_knows(split):
    """Images of the validation start from what is left of their labels."""
    train, _ = split
    model = VSEens(
        factors=16,
        iterations=30,
        early_stopping=EarlyStopping(n_iter_no_change=100),
        warm_start=True,
    )
    model = fit(model, train)
    before = max(model.history_["validation"])
    for fold_in_users in (True, False):
        again = clone(model).set_params(random_state=0).fit(train, show_progress=False)
        again.set_params(fold_in_users=fold_in_users, iterations=1, learning_rate=1e-6)
        again.fit(train, show_progress=False)
        assert again.history_["validation"][-1] < 1.1 * before


def test_a_warm_start_that_only_makes_it_worse_gives_back_what_there_was(split):
    train, _ = split
    model = VSEens(
        factors=16,
        iterations=40,
        early_stopping=EarlyStopping(n_iter_no_change=100),
        warm_start=True,
    )
    model = fit(model, train)
    items = model.item_factors
    model.set_params(regularization=2.0, iterations=3).fit(train, show_progress=False)
    assert model.best_iteration_ == 40
    np.testing.assert_array_equal(model.item_factors, items)


def test_popularity_counts_new_images(annotations):
    model = Popularity().fit(annotations[:300])
    model.partial_fit_users(np.arange(300, 400), annotations[300:])
    np.testing.assert_array_equal(model.item_factors, Popularity().fit(annotations).item_factors)


def test_popularity_of_images_without_labels():
    model = Popularity().fit(np.array([[1, 0]]))
    model.partial_fit_users(0, csr_matrix((1, 2)))
    assert model.item_factors.ravel().tolist() == [0, 0]
