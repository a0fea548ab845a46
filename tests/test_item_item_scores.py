"""Scores by item-item weights: every way of adding them, for one image and for many."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix, random

from vseens_rec import VSEens
from vseens_rec._native import available_kernels, load_kernel
from vseens_rec.choices import DenseItemItem, SparseItemItem
from vseens_rec.engine import item_item
from vseens_rec.engine.item_item import ItemItemWeights, Pairs
from vseens_rec.engine.item_item_part import item_item_of

KERNELS = [pytest.param(load_kernel(name), id=name) for name in available_kernels()]


def make_rows(n_rows, n_ids, density, seed=0):
    rows = random(n_rows, n_ids, density, "csr", np.float32, rng=np.random.default_rng(seed))
    rows.data[:] = 1
    rows.sort_indices()
    return rows


# fewer rows than weights, and more: added from where they are, and from tiles; more labels than a
# tile has; the last columns of a tile that is not full
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("n_rows", "n_ids", "n", "density"), [
    (3, 40, 7, 0.2), (9, 3000, 300, 0.01), (70, 50, 33, 0.5), (200, 200, 128, 0.3),
    (90, 9000, 200, 0.3), (40, 5000, 257, 0.4), (1, 700, 700, 0.5), (5, 4, 1, 1.0),
])  # fmt: skip
def test_dense_weights_are_added_by_every_way(kernel, n_rows, n_ids, n, density):
    generator = np.random.default_rng(1)
    rows = make_rows(n_rows, n_ids, density)
    weights = generator.normal(size=(n_ids, n)).astype(np.float32)
    before = generator.normal(size=(n_rows, n)).astype(np.float32)
    expected = before + rows.toarray().astype(np.float64) @ weights
    indptr = rows.indptr.astype(np.int64)
    found = []
    for threads in (1, 2):
        scores = before.copy()
        kernel.add_dense_weights(indptr, rows.indices, weights, scores, threads)
        found.append(scores)
    np.testing.assert_array_equal(*found)
    np.testing.assert_allclose(found[0], expected, atol=2e-3 if n_ids > 1000 else 2e-4)
    # every row by itself is the same to the bit, though it is not worth a tile
    one = before.copy()
    for row in range(n_rows):
        own = one[[row]]
        kernel.add_dense_weights(indptr[row : row + 2], rows.indices, weights, own, 1)
        one[row] = own
    np.testing.assert_array_equal(one, found[0])
    # columns behind those that have weights stay
    wide = np.ones((n_rows, n + 5), np.float32)
    wide[:, :n] = before
    kernel.add_dense_weights(indptr, rows.indices, weights, wide, 1)
    np.testing.assert_array_equal(wide[:, :n], found[0])
    assert (wide[:, n:] == 1).all()


@pytest.mark.parametrize("kernel", KERNELS)
def test_sparse_weights_are_added_to_rows_that_begin_anywhere(kernel):
    rows = make_rows(30, 60, 0.2)
    weights = random(60, 60, 0.1, "csr", np.float32, rng=np.random.default_rng(3))
    indptr, own = rows.indptr.astype(np.int64), weights.indptr.astype(np.int64)
    expected = (rows @ weights).toarray()
    for threads in (1, 2):
        scores = np.zeros((20, 60), np.float32)
        kernel.add_sparse_weights(
            indptr[10:], rows.indices, own, weights.indices, weights.data, scores, threads
        )
        np.testing.assert_allclose(scores, expected[10:], atol=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
def test_features_of_rows_by_hand(kernel):
    pairs = Pairs.of(np.array([0, 0, 2]), np.array([1, 3, 3]), 4)
    labels = np.array([9, 0, 1, 3, 2, 0, 2, 3], np.int32)
    indptr = np.array([1, 4, 4, 5, 8])
    found, ids = np.zeros(5, np.int64), np.zeros(20, np.int32)
    kernel.row_features(indptr, labels, pairs.indptr, pairs.partners, found, ids)
    assert found.tolist() == [0, 5, 5, 6, 11]
    assert ids[:11].tolist() == [0, 1, 3, 4, 5, 2, 0, 2, 3, 5, 6]


@pytest.mark.parametrize("sparse", [False, True])
def test_labels_behind_the_weights_add_nothing(sparse):
    dense = np.arange(20, dtype=np.float32).reshape(5, 4)
    pairs = Pairs.of(np.array([1]), np.array([2]), 4)
    weights = ItemItemWeights(csr_matrix(dense) if sparse else dense, pairs).grown(6)
    rows = csr_matrix(np.array([[1, 0, 0, 0, 1, 1], [0, 1, 1, 0, 0, 1], [0, 0, 0, 0, 0, 1]]))
    expected = np.zeros((3, 6))
    expected[0, :4], expected[1, :4] = dense[0], dense[1] + dense[2] + dense[4]
    np.testing.assert_array_equal(weights.scores(rows), expected)
    np.testing.assert_array_equal(weights.of_all_labels().scores(rows), expected)
    assert weights.contributions(np.array([1, 2, 5], np.int32), 0) == {1: 12.0, 2: 16.0, 5: 0.0}
    assert weights.contributions(np.array([1, 5], np.int32), 5) == {1: 0.0, 5: 0.0}


@pytest.fixture(scope="module", params=["dense", "sparse"])
def many(request, annotations):
    part = {"dense": DenseItemItem(pairs=30), "sparse": SparseItemItem(neighbors=20)}
    options = {"factors": 8, "iterations": 8, "random_state": 0, "item_item": part[request.param]}
    X = annotations[np.arange(2100) % 400]
    return VSEens(**options).fit(X, show_progress=False), X


def test_lists_of_all_images_are_those_of_each(many, monkeypatch):
    model, X = many
    model.set_params(num_threads=1)
    images = np.arange(2100)
    ids, scores = model.recommend(images, N=6)
    whole = model.scores_of(X, images)
    whole[X.nonzero()] = -np.inf
    best = np.sort(whole, axis=1)[:, ::-1][:, :6]
    np.testing.assert_allclose(scores, best, rtol=1e-4, atol=1e-5)
    known = np.take_along_axis(X.toarray(), np.maximum(ids, 0), 1) > 0
    assert not known[ids >= 0].any()
    for image in (0, 1023, 1024, 2099):
        np.testing.assert_allclose(model.recommend(image, N=6)[1], scores[image], rtol=1e-4)
    # as many threads as there are, however the work is shared out
    monkeypatch.setattr(item_item, "ADDITIONS_PER_THREAD", 1)
    monkeypatch.setattr("vseens_rec.serving.FACTORS_PER_THREAD", 1)
    model.set_params(num_threads=2)
    threaded = model.recommend(images, N=6)
    np.testing.assert_array_equal(threaded[0], ids)
    np.testing.assert_array_equal(threaded[1], scores)
    ids, scores = model.recommend(images[::-1], N=3, items=[3, 50, 7, 99])
    best = whole[::-1][:, [3, 7, 50, 99]].max(axis=1)
    # what an image has comes last
    found = best > -np.inf
    np.testing.assert_allclose(scores[found, 0], best[found], rtol=1e-4, atol=1e-5)
    assert set(ids.ravel().tolist()) == {3, 7, 50, 99}


def test_a_part_that_takes_too_much_memory_is_refused_before_the_training(annotations):
    with pytest.raises(ValueError, match=r"DenseItemItem of 50000 labels .* use SparseItemItem"):
        item_item_of("dense", 50_000, 50)
    assert isinstance(item_item_of("auto", 50_000, 50), SparseItemItem)
    # 8 bytes for the square of 120, and 4 for the weights
    assert item_item_of(DenseItemItem(pairs=0, memory_limit=172_800), 120, 50) is not None
    part = DenseItemItem(pairs=0, memory_limit=172_799)
    with pytest.raises(ValueError, match="more than memory_limit=172799 bytes"):
        VSEens(item_item=part).fit(annotations, show_progress=False)
