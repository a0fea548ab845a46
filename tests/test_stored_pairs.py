"""The pairs that a model remembers, as rows and columns of them change."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_matrix, random

from vseens_rec import VSEens
from vseens_rec.engine import stored_pairs
from vseens_rec.engine.stored_pairs import StoredPairs


def rows_of(lists, n_labels):
    indptr = np.cumsum([0, *map(len, lists)])
    ids = np.array([label for labels in lists for label in sorted(labels)], np.int32)
    return csr_matrix((np.ones(len(ids), np.float32), ids, indptr), (len(lists), n_labels))


def check(pairs, expected, n_labels):
    assert len(pairs) == len(expected)
    assert pairs.n_pairs == sum(map(len, expected))
    numbers = np.arange(len(expected))
    for order in (numbers, numbers[::-1], numbers[:0], numbers[[0, -1, 0]]):
        indptr, labels = pairs.rows(order)
        found = [labels[a:b].tolist() for a, b in pairwise(indptr)]
        assert found == [sorted(expected[number]) for number in order]
        assert pairs.lengths(order).tolist() == [len(expected[number]) for number in order]
    for number, labels in enumerate(expected):
        assert pairs.row(number).tolist() == sorted(labels)
    counts = np.zeros(n_labels, int)
    for labels in expected:
        counts[list(labels)] += 1
    assert pairs.counts(n_labels).tolist() == counts.tolist()
    assert pairs.fits(n_labels)


# how many changed rows are kept beside the others, and how often labels are looked for
@pytest.mark.parametrize(("changed", "searches"), [(3, 0), (10**6, 0), (10**6, 10**6)])
@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_updates(changed, searches, seed, monkeypatch):
    monkeypatch.setattr(stored_pairs, "MOST_CHANGED", changed)
    monkeypatch.setattr(stored_pairs, "SHARE_OF_CHANGED", 0.001 if changed == 3 else 1)
    monkeypatch.setattr(stored_pairs, "MOST_SEARCHES", searches)
    generator = np.random.default_rng(seed)
    start = random(30, 12, 0.2, "csr", rng=generator)
    start.sort_indices()
    n_labels, expected = 12, [set(start[[i]].indices.tolist()) for i in range(30)]
    versions = [(StoredPairs.of(start), expected, n_labels)]
    versions[0][0].counts(12)
    for _ in range(40):
        # mostly from the newest, now and then from one that others have gone on from
        place = -1 if generator.random() < 0.8 else int(generator.integers(len(versions)))
        pairs, old, n_labels = versions[place]
        new = [set(labels) for labels in old]
        if generator.random() < 0.6:
            numbers = generator.choice(len(old) + 2, size=3, replace=False)
            lists = [
                set(generator.choice(n_labels, size=generator.integers(4), replace=False).tolist())
                for _ in numbers
            ]
            new += [set() for _ in range(len(old), int(numbers.max()) + 1)]
            for number, labels in zip(numbers.tolist(), lists, strict=True):
                new[number] = labels
            pairs = pairs.with_rows(numbers, rows_of(lists, n_labels))
        else:
            labels = generator.choice(n_labels + 2, size=2, replace=False)
            lists = [
                set(generator.choice(len(old), size=3, replace=False).tolist()) for _ in labels
            ]
            pairs = pairs.with_columns(labels, rows_of(lists, len(old)), n_labels)
            n_labels = max(n_labels, int(labels.max()) + 1)
            for label, images in zip(labels.tolist(), lists, strict=True):
                for image, own in enumerate(new):
                    (own.add if image in images else own.discard)(label)
        versions.append((pairs, new, n_labels))
    for pairs, expected, n_labels in versions:
        check(pairs, expected, n_labels)
        check(pickle.loads(pickle.dumps(pairs)), expected, n_labels)


@pytest.fixture
def changed_pairs():
    start = random(60, 15, 0.15, "csr", rng=np.random.default_rng(5))
    start.sort_indices()
    pairs = StoredPairs.of(start)
    for number in (3, 3, 70, 10, 3):
        pairs = pairs.with_rows(np.array([number]), rows_of([{1, 2, number % 15}], 15))
    return pairs


def test_pairs_are_drawn_alike(changed_pairs):
    images, labels = changed_pairs.draw(np.random.default_rng(0), 60_000)
    assert len(images) == len(labels) == 60_000
    n, drawn = changed_pairs.n_pairs, images * 15 + labels
    found, counts = np.unique(drawn, return_counts=True)
    expected = [i * 15 + label for i in range(71) for label in changed_pairs.row(i).tolist()]
    assert found.tolist() == sorted(expected)
    # chi-square with n - 1 degrees of freedom: mean n - 1, variance 2 (n - 1)
    chi_square = ((counts - 60_000 / n) ** 2).sum() / (60_000 / n)
    assert abs(chi_square - (n - 1)) < 5 * np.sqrt(2 * (n - 1))


def test_images_with_labels_are_drawn_alike(changed_pairs, monkeypatch):
    filled = [i for i in range(71) if len(changed_pairs.row(i))]
    for rounds in (16, 0):
        monkeypatch.setattr(stored_pairs, "MOST_ROUNDS", rounds)
        drawn = changed_pairs.draw_rows(np.random.default_rng(0), 20_000)
        found, counts = np.unique(drawn, return_counts=True)
        assert found.tolist() == filled
        assert counts.max() < 1.3 * 20_000 / len(filled)
    empty = StoredPairs.of(csr_matrix((4, 5)))
    assert not len(empty.draw(np.random.default_rng(0), 9)[0])
    assert not len(empty.draw_rows(np.random.default_rng(0), 9))


def test_what_comes_does_not_read_all_pairs(annotations, monkeypatch):
    model = VSEens(factors=6, iterations=2, random_state=0, num_threads=1)
    model.fit(annotations, show_progress=False)

    def refuse(self):
        raise AssertionError("all pairs were read")

    monkeypatch.setattr(StoredPairs, "arrays", refuse)
    model.partial_fit_users([400, 3], annotations[[7, 9]])
    model.partial_fit_items([120], csr_matrix(np.eye(1, 401)))
    model.partial_fit_items([5], csr_matrix(np.eye(1, 401)))
    model.recommend(400)
    model.recommend(np.arange(401))
    model.recommend([3], recalculate_user=True)
    model.recalculate_item(3, csr_matrix(np.eye(1, 401)))
    known = set(range(121)) - set(model.recommend(0, N=121)[0].tolist())
    assert known == {*annotations[[0]].indices.tolist(), 5, 120}


def test_draws_are_those_of_a_model_whose_copy_has_grown():
    first = StoredPairs.of(csr_matrix(np.eye(4, 5, dtype=np.float32)))
    other = csr_matrix(np.array([[0, 1, 0, 0, 1]], np.float32))
    grown = first.with_rows(np.array([3]), other)
    again = grown.with_rows(np.array([3]), csr_matrix(np.array([[1, 0, 0, 0, 0]], np.float32)))
    images, labels = grown.draw(np.random.default_rng(0), 3000)
    drawn = np.bincount(images, minlength=4) / len(images)
    np.testing.assert_allclose(drawn, [0.2, 0.2, 0.2, 0.4], atol=0.03)
    assert set(labels[images == 3].tolist()) == {1, 4}
    images, labels = again.draw(np.random.default_rng(0), 3000)
    assert set(labels[images == 3].tolist()) == {0}


def test_draws_end_where_all_pairs_came_later():
    empty = StoredPairs.of(csr_matrix((3, 4), dtype=np.float32))
    row = csr_matrix(np.array([[0, 1, 0, 0]], np.float32))
    grown = empty.with_rows(np.array([1]), row)
    grown.with_rows(np.array([1]), row)
    images, labels = grown.draw(np.random.default_rng(0), 5)
    assert images.tolist() == [1] * 5
    assert labels.tolist() == [1] * 5
