"""What callers write, for mypy to read: it is not run, and fails if a signature loses its types."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix
from sklearn.utils import Bunch

import vseens_rec
from vseens_rec import (
    BPR,
    DNS,
    WARP,
    AdaptiveSampler,
    AoBPR,
    Checkpoint,
    ExactSampler,
    LabelAnnotator,
    NaiveRank,
    NamedModel,
    NamedRanking,
    OptAUC,
    Popularity,
    PopularitySampler,
    SampledSoftmax,
    SkipGram,
    UniformSampler,
    VSEens,
    show_config,
)
from vseens_rec.choices import Group, Hinge, Softmax, Violator
from vseens_rec.datasets import (
    Annotations,
    load_emoji,
    make_annotations,
    read_coco,
    read_lightgcn,
    read_nus_wide_labels,
    read_nus_wide_tags,
    read_openimages,
    read_pairs,
)
from vseens_rec.metrics import ranking_metrics, ranking_scorer
from vseens_rec.model_selection import (
    Holdout,
    fraction_split,
    leave_k_out_split,
    leave_one_out_split,
)
from vseens_rec.text import count_skip_grams

if TYPE_CHECKING:
    from typing_extensions import assert_type

    Floats = NDArray[np.floating[Any]]
    Lists = tuple[NDArray[np.int32], NDArray[np.float32]]


class Subclass(VSEens):
    pass


def watch(epoch: int, elapsed: float, correct: int, skipped: int) -> None:
    pass


def fitting(X: csr_matrix, dense: NDArray[np.bool_], array: csr_array) -> None:
    model = VSEens(64, 0.1, 0.03, 20, selection=Group(size="auto"), candidates=16)
    assert_type(model.fit(X), VSEens)
    assert_type(model.fit(dense, show_progress=False, callback=watch), VSEens)
    assert_type(model.fit([[1, 0], [0, 1]]), VSEens)
    assert_type(model.fit(user_items=array, checkpoint=Checkpoint("training")), VSEens)
    # as implicit has it
    assert_type(model.fit(X, True), VSEens)
    assert_type(model.fit(X, False, watch), VSEens)
    model.fit(X, callback=lambda epoch, elapsed, correct, skipped: print(epoch))

    assert_type(Subclass(dtype=np.float64).fit(X), Subclass)
    assert_type(Subclass.paper(rank_scale=0.1).fit(X), Subclass)
    assert_type(VSEens.paper(), VSEens)
    assert_type(BPR(factors=8).fit(X), BPR)
    assert_type(OptAUC().fit(X), OptAUC)
    assert_type(AoBPR(random_state=np.random.default_rng(0)).fit(X), AoBPR)
    assert_type(DNS(candidates=4, random_state=np.random.RandomState(0)).fit(X), DNS)
    assert_type(WARP(selection=Violator(max_trials=100), random_state=0).fit(X), WARP)
    assert_type(NaiveRank(loss=Hinge(margin=0.5)).fit(X), NaiveRank)
    assert_type(SampledSoftmax(loss=Softmax(temperature=0.5)).fit(X), SampledSoftmax)
    words = SkipGram(window=3, max_vocabulary=1000).fit(X)
    assert_type(words, SkipGram)
    assert_type(words.fit(Path("text.txt")).fit([["sea", "lake"]]), SkipGram)
    assert_type(words.fit(count_skip_grams("text.txt")), SkipGram)
    assert_type(words.most_similar("sea", N=3), list[tuple[str, float]])
    assert_type(Popularity(dtype="float64", num_threads=1).fit(X), Popularity)

    checkpoint = Checkpoint(Path("training"), every=5)
    assert_type(checkpoint.path, Path)
    assert_type(checkpoint.every, int)
    assert_type(checkpoint.remove(), None)


def fitted(model: VSEens, X: csr_matrix) -> None:
    # these are None before fit, which is not to be ruled out at every use
    assert_type(model.user_factors, Floats | Any)
    assert_type(model.item_factors, Floats | Any)
    scores: NDArray[Any] = model.user_factors @ model.item_factors.T
    print(scores.shape)
    if model.user_factors is None:
        model.fit(X)
    assert_type(len(model.item_factors), int)
    assert_type(model.user_norms, Floats)
    assert_type(model.item_norms, Floats)
    assert_type(model.history_, dict[str, list[float]])
    assert_type(model.n_iter_, int)
    assert_type(model.best_iteration_, int)
    assert_type(model.n_features_in_, int)
    assert_type(model.transform(X), Floats)
    assert_type(model.fit(X, image_features=X).transform(X, image_features=X), Floats)
    assert_type(model.annotate(X, N=3, prior_exponent=0.5), Lists)
    assert_type(LabelAnnotator(model).fit(X, X).decision_function(X), NDArray[np.float32])
    assert_type(model.score(X), float)
    assert_type(model.score(X, X), float)
    assert_type(model.factors_of(X, np.arange(3)), Floats)
    model.user_factors = model.transform(X)


def recommending(model: VSEens, X: csr_matrix) -> None:
    ids, scores = model.recommend(0, N=5)
    assert_type(ids, NDArray[np.int32])
    assert_type(scores, NDArray[np.float32])
    assert_type(model.recommend([0, 1], X[:2], 5, False, [3], True), Lists)
    assert_type(model.recommend(np.arange(2), items=ids), Lists)
    assert_type(model.recommend(range(3), filter_items=np.array([1])), Lists)
    assert_type(model.similar_items(ids[0]), Lists)
    assert_type(model.similar_items(ids, recalculate_item=True, item_users=X.T), Lists)
    assert_type(model.similar_items(np.int64(1), filter_items=[1]), Lists)
    assert_type(model.similar_users([0, 1], N=3, users=range(10)), Lists)
    assert_type(model.recalculate_user(0, X[0]), Floats)
    assert_type(model.recalculate_item([0], X.T), Floats)
    assert_type(model.partial_fit_users([100, 101], X[:2]), None)
    assert_type(model.partial_fit_items(20, X.T[0]), None)


def keeping(model: VSEens) -> None:
    model.save("model.npz")
    model.save(Path("model"), fitted_matrix=False)
    with open("model.npz", "wb") as file:
        model.save(file)
    model.save(io.BytesIO())
    assert_type(VSEens.load("model.npz", mmap_mode="c"), VSEens)
    assert_type(Subclass.load(io.BytesIO()), Subclass)
    with open("model.npz", "rb") as file:
        assert_type(WARP.load(file), WARP)


def names(X: csr_matrix) -> None:
    named = NamedModel(VSEens(), ["a", "b"], np.array(["x", "y"]))
    assert_type(named.fit(X, show_progress=False), NamedModel)
    assert_type(NamedModel.of(BPR(), read_pairs("pairs.csv"), show_progress=False), NamedModel)
    labels, scores = named.recommend("a", N=3, filter_labels=["x"])
    assert_type(labels, NDArray[Any])
    assert_type(scores, NDArray[np.float32])
    assert_type(named.recommend(["a", "b"], labels={"x", "y"})[1], NDArray[np.float32])
    assert_type(named.recommend_from(["x"])[0], NDArray[Any])
    assert_type(named.recommend_from([["x"], ["y"]], unknown="skip"), NamedRanking)
    named.recommend(["a", "b"], unknown="popular").to_frame()
    named.partial_fit_users(["c"], [["x", "y"]])
    named.partial_fit_items("z", ["a", "c"])
    named.save("named.npz")
    assert_type(NamedModel.load("named.npz", mmap_mode="c"), NamedModel)
    assert_type(named.similar_labels("x")[1], NDArray[np.float32])
    assert_type(named.similar_images(named.image_ids[:2])[1], NDArray[np.float32])
    assert_type(named.image_ids, NDArray[Any])
    assert_type(named.labels, NDArray[Any])


def measuring(model: VSEens, X: csr_matrix) -> None:
    train, held_out = leave_one_out_split(X, random_state=0)
    assert_type(leave_k_out_split(X, 2, np.random.default_rng(0)), tuple[csr_matrix, csr_matrix])
    assert_type(fraction_split([[1, 1]], test_fraction=0.5), tuple[csr_matrix, csr_matrix])
    for rows, tested in Holdout().split(train, held_out):
        assert_type(rows, NDArray[np.intp])
        assert_type(tested, NDArray[np.intp])
    assert_type(Holdout().get_n_splits(), int)

    assert_type(ranking_metrics(model, train, held_out), dict[str, float])
    assert_type(ranking_metrics(model, None, held_out, "map", num_threads=1), dict[str, float])
    each = ranking_metrics(model, train, held_out, ["auc", "mrr"], average=False)
    assert_type(each, dict[str, Any])
    scores = np.zeros((3, 4))
    ranking_metrics(lambda rows: scores[rows], train, held_out)
    scorer = ranking_scorer("ndcg@10", "recall@10")
    assert_type(scorer(model, train, held_out), float | dict[str, float])
    assert_type(scorer.metrics, tuple[str, ...])


def data(paths: list[Path]) -> None:
    assert_type(load_emoji(), Bunch)
    assert_type(make_annotations(100, 20, 400, random_state=0), csr_matrix)
    assert_type(make_annotations(n_topics=4, return_planted=True), Bunch)
    read = read_pairs("pairs.tsv", image="photo", label=2, value="weight", malformed="warn")
    assert_type(read, Annotations)
    assert_type(read.matrix, csr_matrix)
    assert_type(read.image_ids, NDArray[Any])
    assert_type(read.labels, NDArray[Any])
    assert_type(read_openimages(paths, descriptions="descriptions.csv"), Annotations)
    assert_type(read_coco("instances.json"), Annotations)
    assert_type(read_nus_wide_labels(Path().glob("Labels_*.txt")), Annotations)
    assert_type(read_nus_wide_tags(paths[0], vocabulary=["sky", "sea"]), Annotations)
    assert_type(read_lightgcn("train.txt", shape=(3, 4)), csr_matrix)
    # datasets and the others are there without an import of their own
    vseens_rec.datasets.load_emoji()
    vseens_rec.metrics.ranking_scorer("map")
    vseens_rec.model_selection.Holdout()


def sampling(users: NDArray[np.float32], items: NDArray[np.float64], X: csr_matrix) -> None:
    adaptive = AdaptiveSampler(items, rank_scale=0.1, random_state=0)
    assert_type(adaptive.sample(users, 4), NDArray[np.int32])
    assert_type(adaptive.sample([[0.1, 0.2]], size=4, exclude=X), NDArray[np.int32])
    assert_type(adaptive.probability(users, exclude=X), NDArray[np.float64])
    assert_type(adaptive.refresh(items), None)
    assert_type(adaptive.n_labels, int)
    assert_type(adaptive.rank_scale, float)
    assert_type(ExactSampler(items).sample(users, 4), NDArray[np.int32])
    assert_type(UniformSampler(10, random_state=0).sample(users, 4), NDArray[np.int32])
    popularity = PopularitySampler([1, 2, 3], 0.5, num_threads=1)
    assert_type(popularity.sample(users, 4), NDArray[np.int32])
    assert_type(popularity.exponent, float)


def configuration() -> None:
    show_config()
    show_config("stdout")
    found = show_config(mode="dicts")
    assert_type(found["threads"], int)
    assert_type(found["instruction_sets"], list[str])
    assert_type(vseens_rec.__version__, str)
