"""One request, many at once, and what implicit itself answers are the same."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from copy import copy, deepcopy
from threading import Event

import numpy as np
import pytest
from implicit.cpu.topk import topk
from scipy.sparse import csr_matrix, vstack

from vseens_rec import VSEens, serving
from vseens_rec._native import available_kernels, load_kernel
from vseens_rec.engine.stored_pairs import MOST_CHANGED, StoredPairs
from vseens_rec.engine.updates import grown, is_unshared
from vseens_rec.serving import KEEP_ALL, LOWEST, NO_COSINE, LeftOut, best

LOWEST_OF_ALL = np.float32(LOWEST)


def by_implicit(queries, factors, N, left_out=None, everywhere=None, norms=None):
    return topk(
        factors, queries, min(N, len(factors)), item_norms=norms, filter_query_items=left_out,
        filter_items=everywhere, num_threads=1,
    )  # fmt: skip


def tied_factors(rng, shape):
    """Small integers: products are exact, and many are alike."""
    return rng.integers(-2, 3, size=shape).astype(np.float32)


@pytest.mark.parametrize("k", [1, 7, 15, 16, 17, 24, 31, 33, 64, 65, 100])
@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 300])
@pytest.mark.parametrize("N", [1, 5, 80, 400])
def test_one_and_many_agree_with_implicit(k, n, N):
    rng = np.random.default_rng([k, n, N])
    queries, factors = tied_factors(rng, (70, k)), tied_factors(rng, (n, k))
    # some rows are empty, and some leave out all
    liked = csr_matrix(rng.random((70, n)) < rng.choice([0, 0.1, 0.5, 1], size=(70, 1)))
    liked = csr_matrix((liked.data.astype(np.float32), liked.indices, liked.indptr), liked.shape)
    everywhere = np.unique(rng.integers(n, size=3))
    for left_out, filtered in (
        (None, None),
        (liked, None),
        (None, everywhere),
        (liked, everywhere),
    ):
        expected, values = by_implicit(queries, factors, N, left_out, filtered)
        own = None if left_out is None else LeftOut(left_out.indptr, left_out.indices)
        ids, scores = best(queries, factors, N, LOWEST, own, filtered, 1)
        assert ids.shape == scores.shape == (70, N)
        blank = np.full((70, N), -1)
        blank[:, : expected.shape[1]] = np.where(values > LOWEST, expected, -1)
        np.testing.assert_array_equal(ids, blank)
        left = (values > LOWEST).sum(axis=1)
        for row in range(70):
            np.testing.assert_array_equal(scores[row, : left[row]], values[row, : left[row]])
            assert np.isneginf(scores[row, left[row] :]).all()
            one = None if left_out is None else LeftOut.of(left_out[row], row)
            found = best(queries[row], factors, N, LOWEST, one, filtered, 1)
            np.testing.assert_array_equal(found[0], ids[row])
            np.testing.assert_array_equal(found[1], scores[row])


@pytest.mark.parametrize("threads", [1, 2])
def test_cosines_of_one_and_many_agree_with_implicit(threads):
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(150, 33)).astype(np.float32)
    factors = rng.normal(size=(20_000, 33)).astype(np.float32)
    factors[7], queries[3] = 0, 0
    norms = np.linalg.norm(factors, axis=1)
    norms[7] = 1e-10
    expected, values = by_implicit(queries, factors, 9, norms=norms)
    lengths = np.linalg.norm(queries, axis=1)
    lengths[3] = 1e-10
    ids, cosines = best(queries, factors, 9, NO_COSINE, None, None, threads, cosine=True)
    np.testing.assert_array_equal(ids, expected)
    np.testing.assert_allclose(cosines, values / lengths[:, None], rtol=1e-4, atol=1e-6)
    for row in range(20):
        found = best(queries[row], factors, 9, NO_COSINE, None, None, threads, cosine=True)
        np.testing.assert_array_equal(found[0], ids[row])
        np.testing.assert_allclose(found[1], cosines[row], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("cosine", [False, True])
@pytest.mark.parametrize("busy", [False, True])
def test_one_query_on_several_threads_is_answered_as_on_one(cosine, busy, monkeypatch):
    rng = np.random.default_rng(1)
    factors, query = tied_factors(rng, (3001, 33)), tied_factors(rng, (1, 33))[0]
    left_out = LeftOut(None, np.array([4, 900, 3000]))
    arguments = (query, factors, 40, LOWEST, left_out, np.array([7]))
    options = {"cosine": cosine, "has_bias": True}
    expected = best(*arguments, 1, **options)
    monkeypatch.setattr(serving, "FACTORS_PER_SCAN", 1000)
    monkeypatch.setattr(serving, "FACTORS_TOGETHER", 700)
    scans = []
    scan = noted(serving.kernel.scan_pieces, scans)
    monkeypatch.setattr(serving.kernel, "scan_pieces", scan)
    if busy:
        # nobody comes to help
        pool = ThreadPoolExecutor(1)
        free = Event()
        pool.submit(free.wait)
        monkeypatch.setattr(serving, "helpers", lambda: pool)
    found = best(*arguments, 3, **options)
    finished = scans[0][6]
    assert len(finished) == -(-3001 // (700 // 33))
    assert finished.all() or not busy
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    if busy:
        free.set()
        pool.shutdown()


def noted(function, calls):
    """The function, which notes that it was called."""

    def call(*arguments):
        calls.append(arguments)
        return function(*arguments)

    return call


@pytest.mark.parametrize("kernel", [load_kernel(name) for name in available_kernels()])
def test_who_completes_a_scan_does_what_others_have_begun(kernel):
    rng = np.random.default_rng(3)
    factors = rng.normal(size=(95, 20)).astype(np.float32)
    expected = factors @ factors[0]
    for begun in (0, 3, 10):
        # others took the first ones and stand still
        next_piece, finished = np.array([begun]), np.zeros(10, np.uint8)
        products = np.full(95, np.nan, np.float32)
        scan = (factors[0], factors, False, False, 10, next_piece, finished)
        assert kernel.scan_pieces(*scan, False, products) == 0
        assert finished.tolist() == [0] * begun + [1] * (10 - begun)
        np.testing.assert_allclose(products[10 * begun :], expected[10 * begun :], atol=1e-4)
        assert np.isnan(products[: 10 * begun]).all()
        assert kernel.scan_pieces(*scan, True, products) == begun
        np.testing.assert_allclose(products, expected, atol=1e-4)
    with pytest.raises(ValueError, match="do not agree"):
        kernel.scan_pieces(*scan[:4], 11, next_piece, finished, True, products)


def test_a_product_that_is_no_number_is_seen_on_several_threads(monkeypatch):
    factors = np.ones((300, 4), np.float32)
    factors[150] = np.nan
    monkeypatch.setattr(serving, "FACTORS_PER_SCAN", 10)
    one, several = (best(factors[0], factors, 3, LOWEST, None, None, threads) for threads in (1, 2))
    np.testing.assert_array_equal(one[0], several[0])


def test_what_is_left_out_stays_at_the_end_where_all_are_kept():
    rng = np.random.default_rng(0)
    queries, factors = tied_factors(rng, (3, 16)), tied_factors(rng, (9, 16))
    own = LeftOut(np.array([0, 2, 2, 11]), np.array([4, 5, *range(9)]))
    ids, scores = best(queries, factors, 9, KEEP_ALL, own, None, 1)
    assert sorted(ids[0, 7:]) == [4, 5]
    assert (scores[0, 7:] == LOWEST_OF_ALL).all()
    assert sorted(ids[2]) == list(range(9))
    assert (scores[2] == LOWEST_OF_ALL).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_factors_that_are_not_finite_answer_as_before(value):
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(50, 33)).astype(np.float32)
    query = rng.normal(size=33).astype(np.float32)
    for column in (0, 20, 32):
        changed = factors.copy()
        changed[9, column] = value
        with np.errstate(all="ignore"):
            ids, _ = best(query, changed, 5, LOWEST, None, None, 1)
            expected, values = by_implicit(query[None], changed, 5)
        np.testing.assert_array_equal(ids, np.where(values[0] > LOWEST, expected[0], ids))
        assert (ids[values[0] <= LOWEST] == -1).all()


@pytest.mark.parametrize("change", ["float64", "fortran", "strided", "narrow"])
def test_other_arrays_than_the_kernels(change):
    rng = np.random.default_rng(0)
    factors, queries = tied_factors(rng, (50, 32)), tied_factors(rng, (6, 32))
    expected = best(queries, factors, 7, LOWEST, None, np.array([3]), 1)
    other = {
        "float64": lambda: factors.astype(np.float64),
        "fortran": lambda: np.asfortranarray(factors),
        "strided": lambda: np.repeat(factors, 2, axis=1)[:, ::2],
        "narrow": lambda: np.ascontiguousarray(factors),
    }[change]()
    np.testing.assert_array_equal(best(queries, other, 7, LOWEST, None, np.array([3]), 1), expected)
    one = best(queries[2], other, 7, LOWEST, None, np.array([3]), 1)
    np.testing.assert_array_equal(one, [part[2] for part in expected])


@pytest.fixture(scope="module")
def model(annotations):
    return VSEens(factors=15, iterations=5, random_state=0, num_threads=1).fit(
        annotations, show_progress=False
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"N": 7},
        {"N": 300},
        {"N": 9, "filter_items": [3, 4, 5]},
        {"N": 9, "filter_already_liked_items": False},
        {"N": 9, "items": [50, 3, 4, 5, 90]},
        {"N": 3, "items": [50, 3, 4, 5, 90]},
        {"N": 9, "recalculate_user": True},
    ],
)
def test_one_request_is_as_many(model, annotations, arguments):
    images = np.arange(120)
    for rows in (None, annotations[images]):
        ids, scores = model.recommend(images, rows, **arguments)
        for image in images[::7].tolist():
            row = None if rows is None else annotations[image]
            for number in (image, np.int32(image)):
                one = model.recommend(number, row, **arguments)
                np.testing.assert_array_equal(one[0], ids[image])
                np.testing.assert_allclose(one[1], scores[image], rtol=1e-5, atol=1e-6)
                assert one[0].dtype == np.int32
                assert one[1].dtype == np.float32


@pytest.mark.parametrize("arguments", [{}, {"filter_items": [3, 4]}, {"items": [3, 9, 50, 4]}])
def test_one_similar_label_is_as_many(model, arguments):
    ids, cosines = model.similar_items(np.arange(60), N=6, **arguments)
    for label in range(60):
        one = model.similar_items(label, N=6, **arguments)
        np.testing.assert_array_equal(one[0], ids[label])
        np.testing.assert_allclose(one[1], cosines[label], rtol=1e-5, atol=1e-6)


def test_answers_follow_factors_that_are_changed_in_place(annotations):
    model = VSEens(factors=15, iterations=5, random_state=0, num_threads=1)
    model.fit(annotations, show_progress=False)
    users, items = model.user_factors, model.item_factors
    for _ in range(2):
        model.recommend(0), model.similar_items(0), model.similar_users(0)
        folded = model.transform(annotations[:5])
        users *= np.linspace(1, 2, len(users), dtype=np.float32)[:, None]
        items *= np.linspace(2, 1, len(items), dtype=np.float32)[:, None]
        np.testing.assert_allclose(model.item_norms, np.linalg.norm(items, axis=1), rtol=1e-5)
        scores = items @ users[0]
        ids = model.recommend(0, filter_already_liked_items=False, N=5)[0]
        np.testing.assert_array_equal(ids, np.argsort(-scores)[:5])
        fresh = VSEens(**model.get_params())
        fresh.user_factors, fresh.item_factors = users.copy(), items.copy()
        np.testing.assert_array_equal(
            model.transform(annotations[:5]), fresh.transform(annotations[:5])
        )
        assert (model.transform(annotations[:5]) != folded).any()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (csr_matrix((np.ones(2), [3, 120], [0, 2]), shape=(1, 121)), "121"),
        (csr_matrix((np.array([1, np.nan]), [3, 9], [0, 2]), shape=(1, 120)), "finite"),
        (csr_matrix((np.array([1, np.inf]), [3, 9], [0, 2]), shape=(1, 120)), "finite"),
        (csr_matrix((2, 120)), "2 rows"),
    ],
)
def test_a_row_is_checked(model, row, message):
    for arguments in ({}, {"recalculate_user": True}):
        with pytest.raises(ValueError, match=message):
            model.recommend(0, row, **arguments)


def test_ids_within_a_row_are_checked(model):
    for wrong in (-1, 120):
        row = csr_matrix((1, 120))
        row.indices, row.data = np.array([wrong], np.int32), np.ones(1)
        row.indptr = np.array([0, 1], np.int32)
        with pytest.raises(ValueError, match="not a valid sparse matrix"):
            model.recommend(0, row)


def test_rows_that_are_not_sorted_or_have_duplicates_and_zeros(model, annotations):
    expected = model.recommend(0, csr_matrix(np.eye(1, 120, 5) + np.eye(1, 120, 9)), N=118)
    unsorted = csr_matrix((np.ones(4), [9, 5, 5, 9], [0, 4]), shape=(1, 120))
    zeros = csr_matrix((np.array([1, 0, 1.0]), [5, 7, 9], [0, 3]), shape=(1, 120))
    for row in (unsorted, zeros):
        np.testing.assert_array_equal(model.recommend(0, row, N=118), expected)


def random_rows(rng, n, m):
    rows = csr_matrix(rng.random((n, m)) < 0.15, dtype=np.float32)
    rows.sort_indices()
    return rows


def assert_holds(pairs, dense):
    assert len(pairs) == len(dense)
    for number, row in enumerate(dense):
        np.testing.assert_array_equal(pairs.row(number), np.flatnonzero(row))
    order = np.random.default_rng(0).permutation(len(dense))
    indptr, indices = pairs.rows(order)
    shape = dense.shape
    found = csr_matrix((np.ones(len(indices)), indices, indptr), shape).toarray()
    np.testing.assert_array_equal(found, dense[order])


def test_stored_pairs_are_a_matrix_that_is_updated():
    """Whatever comes in any order; what an update was made from stays as it is."""
    rng = np.random.default_rng(0)
    dense = (rng.random((30, 12)) < 0.2).astype(float)
    pairs = StoredPairs.of(csr_matrix(dense))
    kept = []
    for step in range(60):
        kept.append((pairs, dense))
        if step % 3 == 2:
            n_labels = dense.shape[1]
            labels = rng.choice(n_labels + 2, size=2, replace=False)
            columns = random_rows(rng, 2, len(dense))
            grow = max(0, labels.max() + 1 - n_labels)
            dense = np.hstack([dense, np.zeros((len(dense), grow))])
            dense[:, labels] = columns.toarray().T
            pairs = pairs.with_columns(labels, columns, n_labels)
        else:
            numbers = rng.choice(len(dense) + 3, size=3, replace=False)
            rows = random_rows(rng, 3, dense.shape[1])
            grow = max(0, numbers.max() + 1 - len(dense))
            dense = np.vstack([dense, np.zeros((grow, dense.shape[1]))])
            dense[numbers] = rows.toarray()
            pairs = pairs.with_rows(numbers, rows)
        assert pairs.fits(dense.shape[1])
        if step % 7 == 0:
            pairs.arrays()
    for earlier, expected in [*kept, (pairs, dense)]:
        assert_holds(earlier, expected)
        indptr, indices = earlier.arrays()
        assert indices.dtype == np.int32
        matrix = csr_matrix((np.ones(len(indices)), indices, indptr), expected.shape)
        assert matrix.has_canonical_format
        np.testing.assert_array_equal(matrix.toarray(), expected)
        assert_holds(pickle.loads(pickle.dumps(earlier)), expected)


def test_many_updates_of_stored_pairs():
    rng = np.random.default_rng(0)
    dense = np.zeros((0, 5))
    pairs = StoredPairs.of(csr_matrix((0, 5)))
    for number in range(MOST_CHANGED + 9):
        row = random_rows(rng, 1, 5)
        pairs = pairs.with_rows(np.array([number]), row)
        dense = np.vstack([dense, row.toarray()])
    assert_holds(pairs, dense)


def test_growing_shares_room_and_never_rows():
    first = np.ones((3, 2), np.float32)
    one = grown(first, 4, 7)
    two = grown(one, 5, 8)
    assert two.base is one.base
    other = grown(one, 5, 9)
    assert other.base is not one.base
    assert one.shape == (4, 2)
    assert two[4].tolist() == [8, 8]
    assert other[4].tolist() == [9, 9]
    # a part of the rows or columns is no array that can grow where it is
    for part in (two[:, :1], two[1:], two[::-1]):
        after = grown(part, 9, 1)
        np.testing.assert_array_equal(after[: len(part)], part)
        assert after.base is not two.base


def test_arrays_that_somebody_holds_are_not_written_to():
    state = {"a": np.ones((3, 2))}
    assert is_unshared(state, "a")
    held = state["a"]
    assert not is_unshared(state, "a")
    del held
    view = state["a"][1:]
    assert not is_unshared(state, "a")
    del view
    both = dict(state)
    assert not is_unshared(both, "a")
    del both
    assert is_unshared(state, "a")
    room = np.ones((9, 2))
    state["a"] = room[:3]
    assert not is_unshared(state, "a")
    del room
    assert is_unshared(state, "a")
    state["a"].flags.writeable = False
    assert not is_unshared(state, "a")


def test_copies_of_a_model_grow_apart(annotations):
    model = VSEens(factors=7, iterations=2, random_state=0, num_threads=1)
    model.fit(annotations[:300], show_progress=False)
    model.partial_fit_users(300, annotations[[300]])
    before, factors = model.recommend([5, 300], N=9), model.user_factors.copy()
    for make in (copy, deepcopy, lambda model: pickle.loads(pickle.dumps(model))):
        one, other = make(model), make(model)
        one.partial_fit_users([301, 5], annotations[[310, 311]])
        other.partial_fit_users([5, 301], annotations[[312, 313]])
        for grown_model, rows in ((one, [311, 310]), (other, [312, 313])):
            assert grown_model.user_factors.shape == (302, 8)
            expected = model.transform(annotations[rows])
            np.testing.assert_array_equal(grown_model.user_factors[[5, 301]], expected)
            liked = annotations[rows]
            for place, image in enumerate((5, 301)):
                ids = grown_model.recommend(image, N=20)[0]
                assert not set(ids) & set(liked[place].indices)
    np.testing.assert_array_equal(model.user_factors, factors)
    np.testing.assert_array_equal(model.recommend([5, 300], N=9), before)


def test_factors_that_a_user_holds_do_not_change(annotations):
    model = VSEens(factors=7, iterations=2, random_state=0, num_threads=1)
    model.fit(annotations, show_progress=False)
    held = model.user_factors
    before = held.copy()
    model.partial_fit_users([3, 400], annotations[[5, 6]])
    np.testing.assert_array_equal(held, before)
    rows = model.user_factors[:2]
    model.partial_fit_users([0], annotations[[7]])
    np.testing.assert_array_equal(rows, before[:2])


def known_to(model):
    """Mark the labels that are not recommended to an image, since it has them."""
    n_images, n_labels = len(model.user_factors), len(model.item_factors)
    ids, _ = model.recommend(np.arange(n_images), N=n_labels)
    known = np.ones((n_images, n_labels), dtype=bool)
    rows, places = np.nonzero(ids >= 0)
    known[rows, ids[rows, places]] = False
    return known


def test_a_grown_model_in_files_and_pickles(annotations, tmp_path):
    model = VSEens(factors=7, iterations=2, random_state=0, num_threads=1)
    model.fit(annotations[:300], show_progress=False)
    for image in range(300, 310):
        model.partial_fit_users(image, annotations[[image]])
    model.save(tmp_path / "model")
    loaded = VSEens.load(tmp_path / "model")
    small = VSEens(factors=7, iterations=2, random_state=0, num_threads=1)
    small.fit(annotations[:310], show_progress=False)
    assert len(pickle.dumps(model)) < 1.1 * len(pickle.dumps(small))
    for other in (loaded, pickle.loads(pickle.dumps(model))):
        assert type(other.user_factors) is np.ndarray
        np.testing.assert_array_equal(other.user_factors, model.user_factors)
        np.testing.assert_array_equal(known_to(other), annotations[:310].toarray() > 0)
        np.testing.assert_array_equal(other.recommend(305), model.recommend(305))


def test_images_in_between_have_the_factors_of_none(annotations):
    model = VSEens(factors=7, iterations=2, random_state=0, num_threads=1)
    model.fit(annotations, show_progress=False)
    model.partial_fit_users([405, 402], annotations[[5, 6]])
    nothing = model.transform(csr_matrix((1, 120)))[0]
    for image in (400, 401, 403, 404):
        np.testing.assert_array_equal(model.user_factors[image], nothing)
    expected = vstack([annotations, csr_matrix((2, 120)), annotations[6], csr_matrix((2, 120)),
                       annotations[5]])  # fmt: skip
    np.testing.assert_array_equal(known_to(model), expected.toarray() > 0)
