"""Inside scikit-learn: scores, scorers, searches and pipelines, and what they must not see."""

import os
import re

import numpy as np
import pandas as pd
import pytest
from implicit.nearest_neighbours import bm25_weight
from scipy.sparse import csr_matrix, hstack
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from threadpoolctl import threadpool_limits

from vseens_rec import BPR, Popularity, VSEens
from vseens_rec.choices import EarlyStopping
from vseens_rec.engine.holdouts import hide_one_label, validation_split
from vseens_rec.engine.trainer import Trainer
from vseens_rec.metrics import ranking_metrics, ranking_scorer
from vseens_rec.model_selection import Holdout

FOLDS = KFold(3, shuffle=True, random_state=0)


def small(**parameters):
    options = {"factors": 16, "iterations": 30, "item_item": None, "random_state": 0}
    return VSEens(**options | parameters)


# settings of which the first is bad
GRID = {"factors": [1, 16]}


def test_score_with_held_out_labels_is_ndcg(split):
    model = small().fit(split[0], show_progress=False)
    expected = ranking_metrics(model, *split, "ndcg@10")["ndcg@10"]
    assert model.score(*split) == expected
    assert ranking_scorer("ndcg@10")(model, *split) == expected
    # learned factors where X is the matrix of the fit, others are folded in
    model.user_factors[:] = 0
    assert model.score(*split) < 0.5 * expected
    rows = np.arange(0, split[0].shape[0], 2)
    assert model.score(split[0][rows], split[1][rows]) > 0.8 * expected


def test_score_without_y_hides_a_label_of_every_image(emoji):
    model = small().fit(emoji[:1500], show_progress=False)
    rest = emoji[1500:]
    observed, hidden = hide_one_label(rest)
    users = model.transform(observed)
    expected = ranking_metrics(
        lambda rows: users[rows] @ model.item_factors.T, observed, hidden, "ndcg@10"
    )["ndcg@10"]
    assert model.score(rest) == pytest.approx(expected, rel=1e-6)
    for y in (np.zeros(rest.shape[0]), None):
        assert model.score(rest, y) == model.score(rest)
    order = np.random.default_rng(0).permutation(rest.shape[0])
    assert model.score(rest[order]) == pytest.approx(expected, rel=1e-6)


def test_what_score_refuses(split):
    model = small(iterations=1).fit(split[0], show_progress=False)
    with pytest.raises(ValueError, match="features"):
        model.score(split[0][:, :-1], split[1])
    with pytest.raises(ValueError, match="of the same shape"):
        model.score(split[0], split[1][:-1])
    with pytest.raises(ValueError, match="no such image"):
        model.score(csr_matrix(np.eye(3, split[0].shape[1])))
    with pytest.raises(ValueError, match="'recall@10x' is not known"):
        ranking_scorer("recall@10x")


def test_what_scorers_refuse(split):
    scorer = ranking_scorer("ndcg@10")
    with pytest.raises(NotFittedError):
        scorer(small(), *split)
    model = small(iterations=1).fit(split[0][:, :500], show_progress=False)
    for n_labels in (400, 3000, 3_000_000):
        rows = np.arange(60).repeat(3)
        X = csr_matrix(
            (np.ones(180), (rows, np.arange(180) * (n_labels // 180))), shape=(60, n_labels)
        )
        with pytest.raises(ValueError, match=f"{n_labels} labels"):
            scorer(model, X)


def test_scorer_of_a_search_in_a_pipeline(emoji):
    nested = make_pipeline(
        FunctionTransformer(accept_sparse=True), GridSearchCV(small(iterations=2), GRID, cv=FOLDS)
    ).fit(emoji)
    best = nested[-1].best_estimator_
    assert ranking_scorer("map")(nested, emoji) == ranking_scorer("map")(best, emoji)


def test_scores_of_every_measure(split):
    names = ["precision@5", "recall@5", "ndcg@5", "hit@5", "map", "mrr", "auc", "auc@5"]
    model = small().fit(split[0], show_progress=False)
    together = ranking_scorer(*names)(model, *split)
    assert list(together) == names
    for name in names:
        assert ranking_scorer(name)(model, *split) == together[name]
    assert repr(ranking_scorer("map", "auc")) == "ranking_scorer('map', 'auc')"


def test_grid_search_over_unseen_images(emoji):
    search = GridSearchCV(small(), GRID, cv=FOLDS).fit(emoji)
    assert search.best_params_ == {"factors": 16}
    bad, good = search.cv_results_["mean_test_score"]
    assert good > 2 * bad
    assert search.best_estimator_.user_factors.shape[0] == emoji.shape[0]
    assert search.score(emoji[:50]) == search.best_estimator_.score(emoji[:50])
    assert ranking_scorer("ndcg@10")(search, emoji[:50]) == search.score(emoji[:50])


def test_grid_search_over_held_out_labels(split):
    train, held_out = split
    search = GridSearchCV(small(), GRID, cv=Holdout()).fit(train, y=held_out)
    assert search.best_params_ == {"factors": 16}
    direct = small(factors=16).fit(train, show_progress=False).score(train, held_out)
    assert search.cv_results_["mean_test_score"][1] == pytest.approx(direct)


def test_search_by_several_measures(split):
    names = ("ndcg@10", "recall@10", "auc")
    together = GridSearchCV(
        small(), GRID, cv=Holdout(), scoring=ranking_scorer(*names), refit="recall@10"
    ).fit(split[0], y=split[1])
    apart = GridSearchCV(
        small(), GRID, cv=Holdout(), scoring={n: ranking_scorer(n) for n in names}, refit="auc"
    ).fit(split[0], y=split[1])
    for search in (together, apart):
        assert search.best_params_ == {"factors": 16}
        for name in names:
            assert np.diff(search.cv_results_[f"mean_test_{name}"]) > 0
    for name in names:
        key = f"mean_test_{name}"
        np.testing.assert_allclose(together.cv_results_[key], apart.cv_results_[key])


def test_cross_val_score_prefers_the_better_model(emoji):
    good = cross_val_score(small(), emoji, cv=FOLDS)
    popular = cross_val_score(Popularity(), emoji, cv=FOLDS, scoring=ranking_scorer("ndcg@10"))
    assert good.shape == (3,)
    assert (good > 2 * popular).all()


def test_randomized_search(emoji):
    search = RandomizedSearchCV(
        small(), {"learning_rate": [1e-4, 0.1], "factors": [16]}, n_iter=2, cv=FOLDS,
        random_state=0,
    ).fit(emoji)  # fmt: skip
    assert search.best_params_["learning_rate"] == 0.1


def test_halving_search(split):
    over_iterations = HalvingGridSearchCV(
        small(), {"factors": [1, 2, 16]}, resource="iterations", min_resources=5,
        max_resources=15, cv=FOLDS, random_state=0,
    ).fit(split[0])  # fmt: skip
    assert over_iterations.best_params_["factors"] == 16
    over_images = HalvingGridSearchCV(
        small(), {"factors": [1, 2, 16]}, min_resources=500, cv=FOLDS, random_state=0
    ).fit(split[0])
    assert over_images.best_params_["factors"] == 16


def test_search_in_parallel(emoji):
    one = GridSearchCV(small(), GRID, cv=FOLDS).fit(emoji)
    two = GridSearchCV(small(), GRID, cv=FOLDS, n_jobs=2).fit(emoji)
    assert two.best_params_ == {"factors": 16}
    np.testing.assert_allclose(
        one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"], rtol=0.2
    )

    # inside, so that the processes get the function itself: they cannot import this file
    def threads_used(estimator, X, y=None):
        from vseens_rec._native import effective_threads

        return float(effective_threads(estimator.num_threads))

    # as many threads in all as there are processors, not as many in every process
    shared = GridSearchCV(
        small(iterations=1), GRID, cv=FOLDS, n_jobs=2, scoring=threads_used, refit=False
    ).fit(emoji)
    threads = shared.cv_results_["mean_test_score"]
    assert (threads <= max(1, (os.cpu_count() or 1) // 2)).all()


def test_pipeline_with_a_weighting(emoji):
    weighted = FunctionTransformer(bm25_weight, accept_sparse=True)
    pipeline = make_pipeline(weighted, small(positive_sampling="weighted"))
    pipeline.fit(emoji)
    assert pipeline[-1].user_factors.shape[0] == emoji.shape[0]
    assert pipeline.transform(emoji[:5]).shape == (5, 17)
    popular = Popularity().fit(emoji)
    assert pipeline.score(emoji) > 2 * popular.score(emoji)
    assert ranking_scorer("ndcg@10")(pipeline, emoji) == pytest.approx(pipeline.score(emoji))
    search = GridSearchCV(
        pipeline, {"vseens__factors": [1, 16]}, cv=FOLDS, scoring=ranking_scorer("recall@10")
    ).fit(emoji)
    assert search.best_params_ == {"vseens__factors": 16}


def test_a_weighting_that_gives_negative_values_is_explained(emoji):
    common = hstack([emoji, csr_matrix(np.ones((emoji.shape[0], 1), np.float32))]).tocsr()
    pipeline = make_pipeline(FunctionTransformer(bm25_weight, accept_sparse=True), small())
    with pytest.raises(ValueError, match="bm25_weight"):
        pipeline.fit(common)

    def clipped(X):
        weights = bm25_weight(X).tocsr()
        weights.data = np.maximum(weights.data, 1e-6)
        return weights

    mended = make_pipeline(FunctionTransformer(clipped, accept_sparse=True), small())
    assert mended.fit(common).score(common) > 0


def test_pipeline_into_clusters(emoji):
    pipeline = make_pipeline(small(), KMeans(8, n_init=2, random_state=0))
    clusters = pipeline.fit_predict(emoji)
    assert len(set(clusters)) == 8
    # emoji that share keywords come together: more shared ones inside than between
    shared = (emoji @ emoji.T).toarray()
    same = clusters[:, None] == clusters
    np.fill_diagonal(same, False)
    assert shared[same].mean() > 1.5 * shared[~same].mean()
    searched = GridSearchCV(
        make_pipeline(small(), KMeans(4, n_init=1, random_state=0)),
        {"kmeans__n_clusters": [2, 6]}, cv=FOLDS,
    ).fit(emoji)  # fmt: skip
    assert searched.best_params_["kmeans__n_clusters"] == 6


def test_column_transformer_and_set_output(annotations):
    frame = pd.DataFrame(annotations.toarray()).add_prefix("label")
    frame["width"] = np.arange(400.0)
    labels = [name for name in frame if name != "width"]
    columns = ColumnTransformer(
        [("factors", small(factors=4), labels), ("rest", "passthrough", ["width"])]
    ).set_output(transform="pandas")
    out = columns.fit_transform(frame)
    assert list(out)[:2] == ["factors__vseens0", "factors__vseens1"]
    assert out.shape == (400, 6)
    model = small(factors=4).set_output(transform="pandas").fit(frame[labels])
    assert list(model.transform(frame[labels])) == [f"vseens{i}" for i in range(5)]
    with pytest.raises(ValueError, match="feature names"):
        model.transform(frame[labels[::-1]])


def test_clone_and_html():
    model = BPR(factors=3, early_stopping=EarlyStopping(scoring="map"))
    assert clone(model).get_params() == model.get_params()
    html = make_pipeline(FunctionTransformer(), VSEens(factors=3))._repr_html_()
    assert re.search(r"VSEens", html)
    assert "factors" in html


@pytest.mark.parametrize("early_stopping", [False, True])
def test_planted_leaks_change_nothing(split, early_stopping):
    """Held-out labels that are in y, or hidden by score, have no part in what is measured."""
    train, held_out = split
    model = small(early_stopping=early_stopping, num_threads=1)
    honest = clone(model).fit(train, show_progress=False)
    # a fit that is given the answers does not look at them
    given = clone(model).fit(train, held_out, show_progress=False)
    np.testing.assert_array_equal(honest.item_factors, given.item_factors)
    assert given.score(train, held_out) == honest.score(train, held_out)
    # a model that did learn from the answers: a leak shows as soon as it is let in
    leaking = clone(model).fit(train + held_out, show_progress=False)
    users = leaking.user_factors
    leaked = ranking_metrics(
        lambda rows: users[rows] @ leaking.item_factors.T, train, held_out, "ndcg@10"
    )["ndcg@10"]
    assert leaked > 1.3 * honest.score(train, held_out)
    # score folds its images in from what is known, so factors that saw the answers are not used
    known, hidden = hide_one_label(train + held_out)
    by_learned = ranking_metrics(
        lambda rows: users[rows] @ leaking.item_factors.T,
        *_in_place(train + held_out, known, hidden), "ndcg@10",
    )["ndcg@10"]  # fmt: skip
    assert leaking.score(train + held_out) < by_learned


def _in_place(matrix, observed, hidden):
    """Put the rows of hide_one_label back where they were."""
    rows = np.flatnonzero(np.diff(matrix.indptr) >= 2)
    place = csr_matrix(
        (np.ones(len(rows)), (rows, np.arange(len(rows)))), (matrix.shape[0], len(rows))
    )
    return place @ observed, place @ hidden


def test_early_stopping_gives_back_the_best(split):
    train, _ = split
    model = small(
        factors=64,
        iterations=400,
        learning_rate_schedule="constant",
        early_stopping=EarlyStopping(n_iter_no_change=10),
        init="random",
        num_threads=1,
    ).fit(train, show_progress=False)
    curve = model.history_["validation"]
    assert len(curve) == model.n_iter_ < 400
    assert model.best_iteration_ == 1 + int(np.argmax(curve))
    assert max(curve[-10:]) <= max(curve[:-10]) + 1e-4
    assert max(curve) > 3 * curve[0]
    # the best item factors are those of a fit that ended there, on the same part of the labels
    for fold_in_users in (False, True):
        whole = clone(model).set_params(fold_in_users=fold_in_users, iterations=30)
        whole.set_params(early_stopping__n_iter_no_change=100).fit(train, show_progress=False)
        stopped = clone(whole).set_params(iterations=whole.best_iteration_)
        stopped.fit(train, show_progress=False)
        np.testing.assert_array_equal(whole.item_factors, stopped.item_factors)
        np.testing.assert_array_equal(whole.user_factors, stopped.user_factors)


def test_early_stopping_never_trains_on_what_it_watches(annotations, monkeypatch):
    trained = []
    run_epoch = Trainer.run_epoch

    def watched(self, *place):
        trained.append(self.interactions.indices)
        return run_epoch(self, *place)

    monkeypatch.setattr(Trainer, "run_epoch", watched)
    model = VSEens(
        factors=4,
        iterations=3,
        early_stopping=EarlyStopping(validation_fraction=0.5),
        random_state=0,
    ).fit(annotations, show_progress=False)
    assert len(trained) == 3
    several = (np.diff(annotations.indptr) >= 2).sum()
    # by hashes: about a half
    for labels in trained:
        held_out = annotations.nnz - len(labels)
        assert abs(held_out - 0.5 * several) < 4 * np.sqrt(0.25 * several)
    # what was held out is still known, and not recommended
    ids, _ = model.recommend(np.arange(400), N=120)
    recommended = csr_matrix((400, 120), dtype=bool).toarray()
    rows, places = np.nonzero(ids >= 0)
    recommended[rows, ids[rows, places]] = True
    np.testing.assert_array_equal(recommended, annotations.toarray() == 0)


def test_more_images_do_not_change_what_is_held_out(annotations):
    _, before = validation_split(annotations[:250], 0.3)
    _, after = validation_split(annotations, 0.3)
    assert before.nnz > 30
    np.testing.assert_array_equal(after[:250].toarray(), before.toarray())
    _, fewest = validation_split(annotations, 1e-9)
    assert fewest.nnz == 1


def test_what_early_stopping_watches(annotations):
    by_auc = small(iterations=5, early_stopping=EarlyStopping(scoring="auc")).fit(
        annotations, show_progress=False
    )
    by_ndcg = clone(by_auc).set_params(early_stopping__scoring="ndcg@10")
    by_ndcg.fit(annotations, show_progress=False)
    np.testing.assert_array_less(by_ndcg.history_["validation"], by_auc.history_["validation"])
    by_coverage = clone(by_auc).set_params(early_stopping__scoring="coverage@1")
    by_coverage.fit(annotations, show_progress=False)
    watched = by_coverage.history_["validation"]
    # as a part of the labels, of which there are more than images that are watched
    np.testing.assert_allclose(120 * np.array(watched), np.round(120 * np.array(watched)))
    assert 0 < min(watched) <= max(watched) < 0.5
    with pytest.raises(ValueError, match="accuracy"):
        small(early_stopping=EarlyStopping(scoring="accuracy")).fit(annotations)
    with pytest.raises(ValueError, match="early_stopping=False"):
        small(early_stopping=True).fit(csr_matrix(np.eye(4)))


def test_search_stops_early(emoji):
    with threadpool_limits(1):
        search = GridSearchCV(
            small(iterations=60, early_stopping=True, num_threads=1), GRID, cv=FOLDS
        ).fit(emoji)
    assert search.best_params_ == {"factors": 16}
