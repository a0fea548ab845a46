"""Images whose vectors Newton's method finds, on the loss that a training expects."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from vseens_rec import VSEens
from vseens_rec.choices import Group
from vseens_rec.datasets import make_annotations
from vseens_rec.engine import fold_in, newton_fold_in
from vseens_rec.engine.newton_fold_in import NewtonFoldIn, chances_of, negatives_of_step
from vseens_rec.engine.padding import padded
from vseens_rec.engine.samplers import sampler_of
from vseens_rec.vseens import settings_of


def fit(model, matrix):
    return model.set_params(random_state=0).fit(matrix, show_progress=False)


@pytest.fixture(scope="module")
def fitted(annotations):
    return fit(VSEens(factors=12, iterations=30), annotations)


@pytest.mark.parametrize("most_rows", [1, 3, 1 << 16])
def test_images_with_the_same_labels_are_computed_once(fitted, annotations, monkeypatch, most_rows):
    rows = np.array([4, 2, 4, 7, 2, 2, 9, 4])
    expected = fitted.transform(annotations)[rows]
    matrix = annotations[rows].tolil()
    matrix[3] = 0
    expected[3] = fitted.transform(csr_matrix((1, 120)))
    computed = []

    fold_rows = fold_in.kernel.fold_rows

    def counted(sampler, indptr, indices, rows, *others, **options):
        computed.append(len(rows))
        return fold_rows(sampler, indptr, indices, rows, *others, **options)

    monkeypatch.setattr(fold_in.kernel, "fold_rows", counted)
    monkeypatch.setattr(fold_in, "MOST_ROWS", most_rows)
    np.testing.assert_array_equal(fitted.transform(matrix.tocsr()), expected)
    assert sum(computed) == 3


def test_steps_start_on_the_way_to_where_they_end(split, monkeypatch):
    train, _ = split
    model = fit(VSEens(factors=32, iterations=20, regularization=0.04), train)
    rows = train[np.flatnonzero(np.diff(train.indptr))]
    end = model.transform(rows)[:, :32]
    monkeypatch.setattr(newton_fold_in, "SHARE_OF_NEWTON", 0.0)
    start = model.transform(rows)[:, :32]
    # Newton's step of the logistic loss, were the negatives normal around their mean
    items = model.item_factors[:, :32].astype(np.float64)
    biases = model.item_factors[:, 32].astype(np.float64)
    weights = np.linalg.norm(items, axis=1) * np.exp(0.45 * biases / biases.std())
    weights /= weights.sum()
    apart = items - weights @ items
    curvature = 0.25 * (apart.T * weights) @ apart + 0.04 * np.eye(32)
    gap = apart[rows.indices[rows.indptr[5] : rows.indptr[6]]].mean(axis=0)
    step = 0.5 * np.linalg.solve(curvature + 0.25 * np.outer(gap, gap), gap)
    np.testing.assert_allclose(start[5], step, rtol=1e-3, atol=1e-4)
    # from zero it would be all of it
    assert ((start - end) ** 2).sum() < 0.5 * (end**2).sum()


def expected_loss(row, model, labels, chosen, candidates):
    """The training's loss of one image, over all that a uniform sampler can draw."""
    items, k = model.item_factors, model.factors
    others = np.setdiff1d(np.arange(len(items)), labels)
    scores = items[:, :k] @ row + items[:, k]
    order = others[np.argsort(-scores[others])]
    places = np.arange(len(order) + 1) / len(order)
    # how likely each is the highest of the candidates, or one of all
    chances = np.diff(1 - (1 - places) ** candidates) if chosen else np.diff(places)
    apart = scores[labels][:, None] - scores[order]
    loss = (np.logaddexp(0, -apart) * chances).sum(axis=1).mean()
    return loss + 0.5 * model.regularization * row @ row


@pytest.mark.parametrize(("selection", "candidates"), [("first", 1), ("hardest", 4)])
def test_a_row_minimises_the_loss_that_the_training_expects(selection, candidates, annotations):
    model = VSEens(
        factors=12, iterations=10, sampler="uniform", selection=selection, candidates=candidates,
        regularization=0.05, random_state=0, num_threads=1,
    ).fit(annotations, show_progress=False)  # fmt: skip
    folded, gained = model.transform(annotations)[:, :12].astype(float), []
    for image in range(0, 400, 20):
        labels = annotations[image].indices
        arguments = (model, labels, selection == "hardest", candidates)
        best = minimize(expected_loss, folded[image], arguments, options={"maxiter": 60}).fun
        start, reached = (expected_loss(x, *arguments) for x in (np.zeros(12), folded[image]))
        gained.append((start - reached) / (start - best))
    assert np.mean(gained) > 0.9
    assert min(gained) > 0.6


@pytest.mark.parametrize(
    ("candidates", "expected"), [(1, 32), (2, 128), (8, 128), (9, 144), (17, 272), (500, 512)]
)
def test_more_negatives_are_drawn_where_fewer_of_them_count(candidates, expected):
    assert negatives_of_step(settings_of(VSEens(candidates=candidates), 120)) == expected


def test_more_negatives_than_there_is_room_for_are_refused(fitted):
    settings = settings_of(fitted, 120)
    sampler = sampler_of(settings, 120, lambda: np.ones(120))
    newton = NewtonFoldIn(settings, padded(fitted.item_factors), sampler, group_size=1, penalty=0.1)
    part = newton_fold_in.Part(
        np.array([0, 1]), np.array([3], np.int32), np.array([0], np.int32),
        np.zeros((1, fitted.item_factors.shape[1]), np.float32),
    )  # fmt: skip
    newton.n_negatives = 513
    with pytest.raises(ValueError, match="n_negatives must be a multiple of 16 up to 512, got 513"):
        newton.run(part, 0, 1)


@pytest.mark.parametrize(("group_size", "candidates"), [(1, 5), (2, 6), (3, 4)])
def test_chances_of_places_are_those_of_the_highest_candidates(group_size, candidates):
    model = VSEens(factors=4, iterations=1, selection=Group(size=group_size), candidates=candidates)
    settings = settings_of(model, 120)
    chances = chances_of(settings, group_size, 2 * negatives_of_step(settings))
    places = np.random.default_rng(0).random((100_000, candidates))
    places.sort(axis=1)
    n = len(chances)
    found = np.bincount((places[:, :group_size] * n).astype(int).ravel(), minlength=n)
    np.testing.assert_allclose(chances.sum(), 1, rtol=1e-5)
    np.testing.assert_allclose(
        np.add.reduceat(chances, np.arange(0, n, 32)),
        np.add.reduceat(found / found.sum(), np.arange(0, n, 32)),
        atol=0.005,
    )


@pytest.mark.parametrize("scale", [1e-4, 1e-2, 30])
def test_steps_stay_short_for_factors_of_any_scale(scale, annotations):
    model = fit(VSEens(factors=12, iterations=5, regularization=0), annotations)
    items = model.item_factors.copy()
    # labels that no mean negative is like
    items[:3] += 5
    model.item_factors = items * np.float32(scale)
    folded = model.transform(annotations)
    assert np.isfinite(folded).all()
    scores = folded @ model.item_factors.T
    at_positives = scores[annotations.nonzero()].mean()
    assert at_positives > scores.mean()
    assert np.abs(scores).max() < 1e3


@pytest.mark.parametrize(("n_labels", "candidates"), [(10, 64), (100, 8)])
def test_chances_sum_to_one_where_labels_are_drawn_twice(n_labels, candidates):
    matrix = make_annotations(200, n_labels, 600, random_state=0)
    model = fit(VSEens(factors=6, iterations=3, candidates=candidates, item_item=None), matrix)
    settings = settings_of(model, n_labels)
    sampler = sampler_of(settings, n_labels, lambda: np.ones(n_labels))
    items = padded(model.item_factors)
    sampler.refresh(items, 1)
    newton = NewtonFoldIn(settings, items, sampler, group_size=1, penalty=0.04)
    for row in range(20):
        labels = matrix[[row]].indices
        steps, most = newton_fold_in.STEPS, 2 * newton_fold_in.kernel.MOST_NEGATIVES
        way = {
            "taken": np.zeros(steps + 1, np.float32),
            "vectors": np.zeros((steps, items.shape[1]), np.float32),
            "negatives": np.zeros((steps, most), np.int32),
            "weights": np.zeros((steps, most), np.float32),
        }
        out = np.ones((1, model.item_factors.shape[1]), np.float32)
        part = newton_fold_in.Part(np.array([0, len(labels)]), labels, np.zeros(1, np.int32), out)
        newton.run(part, 0, 1, **way)
        np.testing.assert_allclose(way["weights"].sum(axis=1), 1, rtol=1e-4)
        assert (way["taken"] >= 0).all()
        assert (way["taken"] <= 0.5).all()
