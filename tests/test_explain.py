"""Which labels of an image speak for a label: shares that sum to the score."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from vseens_rec import VSEens
from vseens_rec.choices import Adaptive, DenseItemItem, Group, Penalty, SparseItemItem

PARTS = {
    "factors": {"item_item": None},
    "dense": {"item_item": DenseItemItem(pairs=40)},
    "sparse": {"item_item": SparseItemItem(neighbors=20)},
    "uniform": {"item_item": None, "sampler": "uniform", "candidates": 1, "use_bias": False},
    "group": {"item_item": None, "selection": Group(3), "candidates": 9},
    "violating": {
        "item_item": None,
        "selection": "first",
        "sampler": Adaptive(rank_scale=0.05),
        "regularization": Penalty(0.1, 0.1, 0.1, violating_only=True),
    },
}


def fit(matrix, **parameters):
    model = VSEens(**{"factors": 12, "iterations": 20, "random_state": 0} | parameters)
    return model.fit(matrix, show_progress=False)


@pytest.fixture(scope="module")
def models(annotations):
    return {name: fit(annotations, **parameters) for name, parameters in PARTS.items()}


def scores_of(model, image, row):
    ids, scores = model.recommend(
        image, row, N=row.shape[1], recalculate_user=True, filter_already_liked_items=False
    )
    return scores[np.argsort(ids)]


@pytest.mark.parametrize("name", PARTS)
def test_shares_sum_to_the_score_of_a_recalculated_image(name, models, annotations):
    model = models[name]
    few, many = np.argsort(np.diff(annotations.indptr))[[30, -1]]
    for image in (int(few), int(many)):
        row = annotations[[image]]
        expected = scores_of(model, image, row)
        bias = model.item_factors[:, -1] if model.use_bias else np.zeros(120)
        for label in [*row.indices[:2].tolist(), 3, 50, 119]:
            total, shares, rest = model.explain(image, None, label, N=120)
            assert rest is None
            assert {own for own, _ in shares} == set(row.indices.tolist())
            assert total == pytest.approx(expected[label], rel=1e-4, abs=1e-4)
            assert sum(value for _, value in shares) + bias[label] == pytest.approx(
                total, rel=1e-5, abs=1e-6
            )
            assert [value for _, value in shares] == sorted((v for _, v in shares), reverse=True)
            assert len(model.explain(image, None, label, N=1)[1]) == 1


@pytest.mark.parametrize("name", ["factors", "dense"])
def test_without_what_speaks_for_it_most_a_label_scores_lower(name, models, annotations):
    model, lower = models[name], []
    lengths = np.diff(annotations.indptr)
    for image in np.flatnonzero((lengths > 3) & (lengths < 40))[:60].tolist():
        row = annotations[[image]]
        label = int(model.recommend(image, N=1)[0][0])
        _, shares, _ = model.explain(image, row, label)
        (best, _), (worst, _) = shares[0], shares[-1]
        changes = []
        for own in (best, worst):
            kept = row.indices[row.indices != own]
            without = csr_matrix((np.ones(len(kept)), kept, [0, len(kept)]), row.shape)
            changes.append(scores_of(model, image, without)[label])
        lower.append(changes[0] < changes[1])
    assert np.mean(lower) > 0.85


def test_rows_that_are_given_and_rows_that_are_remembered(models, annotations):
    model = models["dense"]
    remembered = model.explain(7, None, 3)
    assert model.explain(7, annotations[[7]], 3) == remembered
    # the image may be one that the model has never seen
    assert model.explain(123_456, annotations[[7]], 3) == remembered
    empty = csr_matrix((1, 120))
    total, shares, _ = model.explain(0, empty, 3)
    assert shares == []
    assert total == pytest.approx(float(model.item_factors[3, -1]))


def test_factors_that_are_no_sums_over_labels(annotations):
    model = fit(annotations, loss="hinge", item_item=None)
    with pytest.raises(NotImplementedError, match="logistic loss"):
        model.explain(0, None, 1)
    model = fit(annotations, loss="hinge", item_item=DenseItemItem(pairs=0))
    total, shares, _ = model.explain(7, None, 3, N=120)
    known = annotations[[7]].indices
    np.testing.assert_allclose(total, model.item_weights[known, 3].sum(), rtol=1e-5)
    assert sum(value for _, value in shares) == pytest.approx(total)
