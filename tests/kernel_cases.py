"""Cases for the kernel, and the slow version run beside it."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse import random as random_matrix

from vseens_rec.engine.samplers import rank_law
from vseens_rec.engine.settings import Settings

from . import reference


def padded(kernel, factors):
    array = kernel.aligned_rows(len(factors), kernel.padded_width(factors.shape[1]))
    array[:, : factors.shape[1]] = factors
    return array


# of a run, where a test is about something else
PLAIN = {"learning_rate": 0.1, "learning_rate_user": 0.1, "seed": 9, "epoch": 2}


OF_A_RUN = {
    *PLAIN, "group_size", "draws", "running_values", "first_row", "n_threads", "features",
    "learning_rate_features",
}  # fmt: skip


def train(kernel, sampler, matrix, rows, users, items, *, learns=None, **options):
    """Train on rows, by default all columns of a row and one negative by the logistic loss."""
    if learns is None:
        learns = np.ones(items.shape[1], np.float32)
    of_a_run = PLAIN | {name: options.pop(name) for name in OF_A_RUN & set(options)}
    options = {"loss": "logistic", "selection": "first"} | options
    training = kernel.Training(sampler, items, learns, **options)
    indptr, indices = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
    return training.run(indptr, indices, rows, users, **of_a_run)


def make_case(seed, n_images, n_labels, factors, density=0.2, bias=False):
    """Return a matrix with rows of no, one and all labels among others, and initial factors."""
    rng = np.random.default_rng(seed)
    matrix = random_matrix(n_images, n_labels, density, format="lil", random_state=rng)
    if n_images >= 3:
        matrix[0] = np.ones(n_labels)
        matrix[1] = np.zeros(n_labels)
        matrix[2] = np.eye(1, n_labels, n_labels // 2)[0]
    matrix = csr_matrix(matrix)
    matrix.sort_indices()
    columns = factors + bias
    users = rng.normal(scale=0.3, size=(n_images, columns)).astype(np.float32)
    items = rng.normal(scale=0.3, size=(n_labels, columns)).astype(np.float32)
    if bias:
        users[:, -1] = 1
    return matrix, users, items


def make_samplers(kernel, kind, n_labels, columns, rank_scale=0.1, variance=False):
    law = {
        "popularity": np.arange(1.0, n_labels + 1) / (n_labels * (n_labels + 1) / 2),
        "adaptive": rank_law(n_labels, rank_scale),
        "exact": rank_law(n_labels, rank_scale),
        "uniform": None,
    }[kind]
    alias = None if law is None else kernel.alias_table(law)
    table = None
    if kind == "adaptive":
        dtype = np.uint16 if n_labels <= 2**16 else np.uint32
        table = np.zeros((columns, min(n_labels, 2 * len(law))), dtype=dtype)
    sampler = kernel.Sampler(kind, n_labels, columns, alias, law, table, variance=variance)
    return sampler, reference.Sampler(kind, n_labels, columns, alias, variance)


def run_both(
    kernel,
    matrix,
    users,
    items,
    *,
    sampler="adaptive",
    n_threads=1,
    bias=False,
    epoch=5,
    seed=123,
    rows=None,
    gives_first_step=True,
    **options,
):
    """Run one epoch by the kernel and by the reference and return both results."""
    n_labels, columns = items.shape
    fast, slow = make_samplers(
        kernel, sampler, n_labels, columns, variance=options.get("in_turn", False)
    )
    lengths = np.diff(matrix.indptr)
    if rows is None:
        rows = np.flatnonzero((lengths > 0) & (lengths < n_labels))
        rows = np.random.default_rng(seed).permutation(rows).astype(np.int32)
    candidates = options.get("candidates", 1)
    decay = options.get("decay", (0.0, 0.0, 0.0))
    fast_users, fast_items = users.astype(np.float32), padded(kernel, items)
    learns = np.zeros(fast_items.shape[1], dtype=np.float32)
    learns[: columns - bias] = 1
    if len(rows):
        fast.refresh(fast_items, n_threads)
    rank_weights = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, n_labels))])
    first_step = mean_negative = None
    if gives_first_step:
        stride = fast_items.shape[1]
        first_step = kernel.aligned_rows(stride, stride)
        mean_negative = kernel.aligned_rows(1, stride)[0]
        if options.get("first_step") is not None:
            k = columns - bias
            first_step[:k, :k] = options["first_step"]
            mean_negative[:k] = options["mean_negative"]
    features = None
    slow_options = dict(options)
    of_features = slow_options.pop("features", None)
    if of_features is not None:
        fast_map, slow_options["features"] = of_features
        features = fast_map.features
    running = options.get("values")
    if running is not None:
        running = kernel.running_sums(matrix.indptr.astype(np.int64), running)
    counts = train(
        kernel, fast, matrix, rows, fast_users, fast_items, learns=learns,
        draws=options.get("draws"), running_values=running,
        rank_weights=rank_weights if options["loss"] == "warp" else None,
        selection=options.get("selection", "first"), candidates=candidates,
        group_size=options.get("group_size", 1),
        max_trials=options.get("max_trials") or max(1, n_labels - 1),
        loss=options["loss"], margin=options.get("margin", 1.0),
        temperature=options.get("temperature", 1.0), corrected=options.get("corrected", False),
        learning_rate=options["learning_rate"],
        learning_rate_user=options.get("learning_rate_user", options["learning_rate"]),
        regularization_user=decay[0],
        regularization_positive=decay[1], regularization_negative=decay[2],
        regularize_violating_only=options.get("violating_only", False),
        verify=options.get("verify", True), cosine=options.get("cosine", False),
        damped=options.get("damped", False), in_turn=options.get("in_turn", False), seed=seed,
        epoch=epoch, n_threads=n_threads, sweeps=options.get("sweeps", 0),
        least_steps=options.get("least_steps", 0), first_step=first_step,
        mean_negative=mean_negative, unit=options.get("unit", 1.0),
        pairs_of_full_steps=options.get("pairs_of_full_steps", 0.0), features=features,
        learning_rate_features=0.0 if features is None else fast_map.rate,
        anchored=options.get("anchored", False),
        regularization_own=options.get("decay_own", 0.0),
    )  # fmt: skip
    user_rate = options.get("learning_rate_user", options["learning_rate"])
    slow_users, slow_items = users.copy(), items.copy()
    loss = reference.epoch(
        matrix, slow_users, slow_items, slow, seed=seed, epoch=epoch, order=rows, bias=bias,
        **slow_options | {"decay_own": options.get("decay_own", 0.0) * user_rate},
    )  # fmt: skip
    assert not fast_items[:, columns:].any()
    return (fast_users, fast_items[:, :columns], counts), (
        slow_users,
        slow_items,
        loss,
    )


def assert_agree(fast, slow):
    np.testing.assert_allclose(fast[0], slow[0], rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(fast[1], slow[1], rtol=2e-4, atol=2e-5)
    assert fast[2]["loss"] == pytest.approx(slow[2], rel=1e-4, abs=1e-6)
    assert fast[2]["not_finite"] == 0


def watch_runs(monkeypatch):
    """Keep what every run of a training from now on is given: its rows and its options."""
    runs = []
    make = Settings.make_training

    class Watched:
        def __init__(self, training):
            self.training = training

        def run(self, indptr, indices, rows, *factors, **options):
            runs.append({"rows": rows, **options})
            return self.training.run(indptr, indices, rows, *factors, **options)

    monkeypatch.setattr(
        Settings, "make_training", lambda *given, **options: Watched(make(*given, **options))
    )
    return runs
