"""The pairs as the engine has them: converted once, and not copied."""

import tracemalloc

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from vseens_rec import VSEens
from vseens_rec.engine.interactions import Interactions
from vseens_rec.engine.trainer import Trainer
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split
from vseens_rec.vseens import settings_of


def test_counts_by_hand():
    pairs = Interactions.of(csr_matrix(np.array([[2.0, 0, 3], [0, 0, 1], [0, 0, 0], [1, 1, 1]])))
    assert pairs.shape == (4, 3)
    assert pairs.n_pairs == 6
    assert pairs.lengths.tolist() == [2, 1, 0, 3]
    assert pairs.label_counts.tolist() == [2, 1, 3]
    # two pairs of images with 2 labels, one with 1, three with 3
    assert pairs.labels_of_mean_pair() == pytest.approx((4 + 1 + 9) / 6)
    assert pairs.running_values.tolist() == [2, 5, 1, 1, 2, 3]
    assert Interactions(pairs.indptr, pairs.indices, 3).matrix().toarray().sum() == 6
    with pytest.raises(ValueError, match="no values"):
        _ = Interactions(pairs.indptr, pairs.indices, 3).running_values


def test_arrays_are_taken_as_they_are(annotations):
    pairs = Interactions.of(annotations)
    assert np.shares_memory(pairs.indices, annotations.indices)
    assert np.shares_memory(pairs.matrix().indices, annotations.indices)
    assert np.shares_memory(pairs.matrix().data, annotations.data)


def test_a_fit_converts_once(annotations, monkeypatch):
    converted = []
    original = Interactions.of.__func__

    def of(cls, *given, **named):
        converted.append(original(cls, *given, **named))
        return converted[-1]

    monkeypatch.setattr(Interactions, "of", classmethod(of))
    model = VSEens(factors=4, iterations=2, regularization=0.04, random_state=0)
    model.fit(annotations, show_progress=False)
    assert len(converted) == 1
    assert np.shares_memory(converted[0].indices, annotations.indices)
    train, held_out = leave_one_out_split(annotations, random_state=0)
    converted.clear()
    model.recommend(np.arange(400))
    ranking_metrics(model, annotations, held_out + annotations[::-1], "ndcg@10")
    assert not converted
    model.set_params(early_stopping=True).fit(train, show_progress=False)
    # all pairs, those that are left, and those of the images that are watched
    assert len(converted) == 3


def test_what_a_model_remembers_is_its_own(annotations):
    X = annotations.copy()
    model = VSEens(factors=4, iterations=2, regularization=0.04, random_state=0)
    model.fit(X, show_progress=False)
    expected = model.recommend(np.arange(400), N=120)
    X.indices[:] = 119 - X.indices
    for found, before in zip(model.recommend(np.arange(400), N=120), expected, strict=True):
        np.testing.assert_array_equal(found, before)


def test_a_fit_needs_little_more_memory_than_the_pairs_it_keeps():
    generator = np.random.default_rng(0)
    has = generator.random((20_000, 500)) < 0.1
    X = csr_matrix(has.astype(np.float32))
    X.sort_indices()
    assert X.indices.dtype == np.int32
    model = VSEens(
        factors=1, iterations=1, regularization=0.04, init="random", candidates=1, num_threads=1
    )
    tracemalloc.start()
    try:
        model.fit(X, show_progress=False)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # one copy of the labels, to remember; the rest is per image, or bounded
    assert X.indices.nbytes <= kept < 1.3 * X.indices.nbytes
    assert peak < 1.3 * X.indices.nbytes + 8e6


def test_some_images_of_more_start_as_they_do_among_all(annotations):
    settings = settings_of(VSEens(factors=4, init="random", regularization=0.1), 120)
    whole = Trainer(Interactions.of(annotations), settings, 5, 1)
    pairs = Interactions.of(annotations[150:])
    part = Trainer(Interactions(pairs.indptr, pairs.indices, 120, first_row=150), settings, 5, 1)
    np.testing.assert_array_equal(part.user_factors, whole.user_factors[150:])
    np.testing.assert_array_equal(part.item_factors, whole.item_factors)
