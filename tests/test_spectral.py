"""The start from which labels appear together."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix, hstack, vstack

from vseens_rec import BPR, ReleasedVSEens, VSEens
from vseens_rec._native import kernel
from vseens_rec.choices import Spectral
from vseens_rec.engine import spectral
from vseens_rec.engine.interactions import Interactions
from vseens_rec.engine.spectral import WeightedPairs, label_directions
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split
from vseens_rec.vseens import settings_of

OPTIONS = {"factors": 16, "init": Spectral(scale=0.0), "num_threads": 1}


def start(X, **parameters):
    """The model as the training finds it."""
    options = OPTIONS | {"random_state": 0, "iterations": 0, "fold_in_users": False} | parameters
    return VSEens(**options).fit(X, show_progress=False)


def pairs_of(X):
    """The stored pairs as the training passes them."""
    return WeightedPairs(Interactions.of(X), num_threads=1)


def cosines_by_definition(X, factors):
    """Cosines of the labels, from the whole decomposition of the weighted matrix."""
    dense = X.toarray() > 0
    weighted = dense / np.maximum(dense.sum(axis=1, keepdims=True), 1) ** 0.25
    weighted /= np.maximum(dense.sum(axis=0), 1) ** 0.4
    _, values, rows = np.linalg.svd(weighted, full_matrices=False)
    directions = (rows[:factors] * np.sqrt(values[:factors, None])).T
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions @ directions.T


@pytest.mark.parametrize(("many_labels", "products"), [(120, (60, 1)), (119, (1, 60))])
def test_labels_are_placed_by_the_singular_vectors(annotations, monkeypatch, many_labels, products):
    monkeypatch.setattr(spectral, "MANY_LABELS", many_labels)
    for name, number in zip(("PRODUCTS", "PRODUCTS_OF_MANY"), products, strict=True):
        monkeypatch.setattr(spectral, name, number)
    directions = label_directions(pairs_of(annotations), 20, seed=0)
    assert directions.shape == (120, 20)
    expected = cosines_by_definition(annotations, 20)
    np.testing.assert_allclose(directions @ directions.T, expected, atol=2e-3)


def test_few_directions_are_nearly_the_first_ones(planted):
    X = planted.matrix
    directions = label_directions(pairs_of(X), 6, seed=0)
    differences = directions @ directions.T - cosines_by_definition(X, 6)
    assert np.sqrt((differences**2).mean()) < 0.05


def test_labels_have_length_1_and_images_follow_from_theirs(annotations):
    model = start(annotations)
    labels = model.item_factors[:, :16]
    np.testing.assert_allclose(np.linalg.norm(labels, axis=1), 1, rtol=1e-5)
    assert (model.item_factors[:, 16] == 0).all()
    assert (model.user_factors[:, 16] == 1).all()
    sums = (annotations > 0) @ (labels - labels.mean(axis=0))
    lengths = np.diff(annotations.indptr)
    expected = sums / np.sqrt(np.maximum(lengths, 1))[:, None]
    # 2.3 units of the scores, which are 1 here, over the variance of the labels
    expected *= 0.45 * 2.3 / labels.var(axis=0).sum()
    np.testing.assert_allclose(model.user_factors[:, :16], expected, rtol=1e-3, atol=1e-5)


def test_products_are_those_of_the_weighted_matrix(annotations):
    X = hstack([annotations, csr_matrix((400, 3))]).tocsr()
    pairs = pairs_of(X)
    labels, products = pairs.rows_of_labels(40), pairs.rows_of_labels(40)
    labels[:] = np.random.default_rng(0).standard_normal(labels.shape)
    dense = X.toarray() > 0
    weighted = dense / np.maximum(dense.sum(axis=1, keepdims=True), 1) ** 0.25
    weighted /= np.maximum(dense.sum(axis=0), 1) ** 0.4
    expected = weighted.T @ (weighted @ labels)
    pairs.multiply(labels, products)
    np.testing.assert_allclose(products * pairs.label_weights, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("factors", [16, 100])
def test_it_does_not_depend_on_threads(annotations, factors):
    settings = settings_of(VSEens(**OPTIONS | {"factors": factors}), 120)

    def factors_of(num_threads):
        users = np.zeros((400, settings.columns), np.float32)
        items = kernel.aligned_rows(120, len(settings.learned_columns()))
        pairs = Interactions.of(annotations)
        spectral.add_spectral_start(users, items, pairs, settings, 0, num_threads)
        return users, items

    for one, several in zip(factors_of(1), factors_of(3), strict=True):
        np.testing.assert_array_equal(one, several)


def test_labels_and_images_that_nothing_is_known_of_start_at_random(annotations):
    X = hstack([annotations, csr_matrix((400, 3))])
    X = vstack([X, csr_matrix((2, 123))]).tocsr()
    model = start(X)
    np.testing.assert_array_equal(model.item_factors[120:], 0)
    np.testing.assert_array_equal(model.user_factors[400:, :16], 0)
    model = start(X, init=Spectral(scale=0.1))
    assert model.item_factors[120:, :16].std() == pytest.approx(0.1, rel=0.3)
    assert model.user_factors[400:, :16].std() == pytest.approx(0.1, rel=0.5)


@pytest.mark.parametrize("factors", [1, 4, 200])
def test_fewer_directions_than_factors(factors):
    """Three kinds of images: there are three directions, and the other columns stay random."""
    X = csr_matrix(np.kron(np.eye(3), np.ones((20, 4))))
    model = start(X, factors=factors, iterations=0)
    learned = model.item_factors[:, :factors]
    assert np.isfinite(learned).all()
    assert (np.abs(learned).max(axis=0) > 1e-3).sum() == min(factors, 3)
    if factors >= 3:
        cosines = learned @ learned.T
        np.testing.assert_allclose(cosines, np.kron(np.eye(3), np.ones((4, 4))), atol=1e-4)
    trained = start(X, factors=factors, iterations=5, init=Spectral(scale=0.03))
    assert np.isfinite(trained.user_factors).all()


def test_one_pair_is_enough():
    for shape in ((1, 2), (3, 1), (1, 1)):
        X = csr_matrix(([1.0], ([0], [0])), shape=shape)
        model = start(X, factors=3, iterations=2, verify_negative_samples=False)
        assert np.isfinite(model.item_factors).all()
        assert np.isfinite(model.user_factors).all()


def test_few_iterations_rank_well_after_it(emoji):
    train, test = leave_one_out_split(emoji, random_state=0)
    found = {}
    for init in ("spectral", "random"):
        model = VSEens(iterations=3, init=init, random_state=0, num_threads=1)
        model.fit(train, show_progress=False)
        found[init] = ranking_metrics(model, train, test, ["ndcg@10"])["ndcg@10"]
    assert found["spectral"] > 1.5 * found["random"]


def test_one_seed_gives_the_same_bits_and_values_do_not_matter(annotations):
    doubled = annotations * 2
    first, second = start(annotations, iterations=2), start(doubled, iterations=2)
    np.testing.assert_array_equal(first.user_factors, second.user_factors)
    np.testing.assert_array_equal(first.item_factors, second.item_factors)
    other = start(annotations, random_state=1)
    assert not np.array_equal(start(annotations).item_factors, other.item_factors)


def test_when_it_is_the_default():
    assert settings_of(VSEens(), 499).init.name == "random"
    assert settings_of(VSEens(), 500).init.name == "spectral"
    assert settings_of(ReleasedVSEens(), 500).init.name == "random"
    assert settings_of(ReleasedVSEens(init="spectral"), 9).init.name == "spectral"
    assert settings_of(VSEens.paper(), 500).init.name == "random"
    assert settings_of(BPR(), 500).init.name == "random"


def test_cosines_start_at_length_1(annotations):
    model = start(annotations, cosine=True, use_bias=False, init="spectral")
    for factors in (model.user_factors, model.item_factors):
        np.testing.assert_allclose(np.linalg.norm(factors, axis=1), 1, rtol=1e-5)


def test_a_warm_start_goes_on_from_what_was_learned(annotations):
    model = start(annotations, iterations=5, warm_start=True)
    learned = model.item_factors.copy()
    model.set_params(iterations=0).fit(annotations, show_progress=False)
    np.testing.assert_array_equal(model.item_factors, learned)
