"""Bad input gets an error that names the remedy; odd but good input is taken as it is."""

import numpy as np
import pytest
from implicit.recommender_base import ModelFitError
from implicit.utils import ParameterWarning
from scipy.sparse import csr_array, csr_matrix
from sklearn.exceptions import NotFittedError

from vseens_rec import VSEens
from vseens_rec.choices import Adaptive, EarlyStopping, Group, Hinge, Penalty, Random, Violator
from vseens_rec.metrics import ranking_metrics


def make_model(**parameters):
    return VSEens(
        **({"factors": 4, "iterations": 3, "random_state": 0, "num_threads": 1} | parameters)
    )


@pytest.fixture(scope="module")
def fitted(annotations):
    return make_model().fit(annotations, show_progress=False)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(annotations, value):
    matrix = annotations.copy()
    matrix.data[7] = value
    for X in (matrix, matrix.toarray()):
        with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
            make_model().fit(X)


def test_negative_values(annotations):
    matrix = annotations.copy()
    matrix.data[7] = -1
    for X in (matrix, matrix.toarray()):
        with pytest.raises(ValueError, match="Negative values in data passed to VSEens.*clip"):
            make_model().fit(X)


def unchecked(indices, indptr):
    """A matrix of 4 columns, made as SciPy does not look into it."""
    return csr_matrix((np.ones(len(indices)), indices, indptr), shape=(len(indptr) - 1, 4))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones(5), "(?s)Expected 2D array, got 1D array.*Reshape"),
        (np.ones((2, 2, 2)), "dim 3"),
        (np.empty((0, 5)), "0 sample"),
        (np.empty((5, 0)), "0 feature"),
        (csr_matrix((0, 5)), "0 sample"),
        (csr_matrix((5, 4)), "no positive: all 5 x 4 values are zero"),
        (np.zeros((5, 4)), "no positive"),
        (csr_matrix(([0.0], ([0], [1])), shape=(3, 3)), "no positive"),
        (None, r"fit\(user_items=X\)"),
        ([["a", "b"]], "could not convert|dtype"),
        (np.array([[1j, 2]]), "Complex data"),
        (unchecked([0, 4], [0, 1, 2]), r"X is not a valid sparse matrix of shape \(2, 4\).*0 to 3"),
        (unchecked([0, -1], [0, 1, 2]), "X is not a valid sparse matrix"),
        (unchecked([0, 1], [0, 2, 1]), "X is not a valid sparse matrix"),
    ],
)
def test_matrices_that_cannot_be_fitted(X, message):
    model = make_model()
    with pytest.raises(ValueError, match=message):
        model.fit(X)
    assert model.user_factors is None


def test_two_matrices_at_once(annotations):
    with pytest.raises(ValueError, match="both X and user_items"):
        make_model().fit(annotations, user_items=annotations)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("factors", 0), ("factors", 2.5), ("factors", "10"), ("factors", True),
        ("learning_rate", -0.1), ("learning_rate", np.nan), ("learning_rate", np.inf),
        ("learning_rate", "fast"), ("regularization", -1), ("iterations", -1), ("iterations", 1.5),
        ("candidates", 0), ("num_threads", -1), ("use_bias", "yes"), ("random_state", -5),
        ("random_state", 2**70), ("random_state", "seed"), ("verify_negative_samples", 3),
        ("dtype", np.int32), ("dtype", "nonsense"), ("dtype", np.float16), ("loss", None),
        ("sampler", None),
    ],
)  # fmt: skip
def test_parameters_out_of_range_or_of_the_wrong_type(annotations, parameter, value):
    model = make_model(**{parameter: value})
    with pytest.raises(ValueError, match=f"'{parameter}' parameter of VSEens must"):
        model.fit(annotations)


@pytest.mark.parametrize(
    ("choice", "setting"),
    [
        ({"sampler": Adaptive(rank_scale=0)}, "rank_scale"),
        ({"sampler": Adaptive(refresh_interval=-1)}, "refresh_interval"),
        ({"init": Random(scale=-1)}, "scale"),
        ({"selection": Violator(max_trials=0)}, "max_trials"),
        ({"selection": Group(size="all")}, "size"),
        ({"loss": Hinge(margin="wide")}, "margin"),
        ({"regularization": Penalty(user=-1)}, "user"),
        ({"early_stopping": EarlyStopping(validation_fraction=1.0)}, "validation_fraction"),
    ],
)
def test_settings_of_choices_out_of_range(annotations, choice, setting):
    name = type(next(iter(choice.values()))).__name__
    with pytest.raises(ValueError, match=f"'{setting}' parameter of {name} must"):
        make_model(**choice).fit(annotations)


@pytest.mark.parametrize(
    ("parameter", "given"),
    [("sampler", Hinge()), ("loss", Adaptive()), ("init", Penalty()), ("early_stopping", Group())],
)
def test_a_choice_of_another_kind(annotations, parameter, given):
    with pytest.raises(ValueError, match=f"'{parameter}' parameter of VSEens must"):
        make_model(**{parameter: given}).fit(annotations)


@pytest.mark.parametrize(
    ("parameter", "some"), [("sampler", "adaptive"), ("loss", "logistic"), ("selection", "first")]
)
def test_unknown_names_list_those_that_exist(annotations, parameter, some):
    with pytest.raises(ValueError, match=f"among.*'{some}'.*Got 'nonsense'"):
        make_model(**{parameter: "nonsense"}).fit(annotations)


def test_unfitted_model():
    for call in (
        lambda model: model.recommend(0),
        lambda model: model.similar_items(0),
        lambda model: model.similar_users(0),
    ):
        with pytest.raises(NotFittedError, match="fit"):
            call(make_model())


@pytest.mark.parametrize("image", [-1, 400, [0, 400], [-3, 0]])
def test_image_ids_out_of_range(fitted, image):
    with pytest.raises(IndexError, match="userid .* is out of range.* 400 images"):
        fitted.recommend(image)
    with pytest.raises(IndexError, match="userid .* is out of range.* 400 images"):
        fitted.similar_users(image)


@pytest.mark.parametrize("label", [-1, 120])
def test_label_ids_out_of_range(fitted, label):
    with pytest.raises(IndexError, match="itemid .* 120 labels"):
        fitted.similar_items(label)
    with pytest.raises(IndexError, match="items .* 120 labels"):
        fitted.recommend(0, items=[0, label])
    with pytest.raises(IndexError, match="filter_items .* 120 labels"):
        fitted.recommend(0, filter_items=[label])


@pytest.mark.parametrize("image", [1.0, "3", None, [0.5], True])
def test_image_ids_of_the_wrong_type(fitted, image):
    with pytest.raises(TypeError, match="userid must"):
        fitted.recommend(image)


def test_image_ids_of_two_dimensions(fitted):
    with pytest.raises(ValueError, match="1-d array of ids"):
        fitted.recommend(np.zeros((2, 2), dtype=int))


def test_rows_of_the_wrong_shape(fitted, annotations):
    with pytest.raises(ValueError, match=r"400 rows for 1 ids.*user_items\[userid\]"):
        fitted.recommend(0, annotations)
    with pytest.raises(ValueError, match="120 labels"):
        fitted.recommend(0, csr_matrix((1, 7)))
    with pytest.raises(ValueError, match=r"transposed: pass user_items\.T\.tocsr"):
        fitted.recommend(0, annotations[0].T.tocsr())
    with pytest.raises(ValueError, match="sparse matrix with a row for every id"):
        fitted.recommend(0, np.zeros(120))


@pytest.mark.parametrize("form", ["coo", "csc", "dok", "lil"])
def test_rows_of_any_format(fitted, annotations, form):
    expected = fitted.recommend(3, annotations[3], N=120)
    found = fitted.recommend(3, annotations[3].asformat(form), N=120)
    np.testing.assert_array_equal(found, expected)


def test_a_number_of_threads_below_0_is_refused_by_all(fitted):
    model = make_model(num_threads=-1)
    model.user_factors, model.item_factors = fitted.user_factors, fitted.item_factors
    every = np.arange(len(fitted.user_factors))
    for call in (
        lambda: model.recommend(every, filter_already_liked_items=False),
        lambda: model.similar_users(every),
        lambda: model.similar_items(np.arange(len(fitted.item_factors))),
    ):
        with pytest.raises(ValueError, match="num_threads must be at least 0, got -1"):
            call()


def test_stored_zeros_of_rows_are_no_labels(fitted, annotations):
    row = annotations[3].copy()
    row.data[0] = 0
    before = row.copy()
    without = row.copy()
    without.eliminate_zeros()
    for arguments in ({}, {"recalculate_user": True}):
        np.testing.assert_array_equal(
            fitted.recommend(3, row, N=120, **arguments),
            fitted.recommend(3, without, N=120, **arguments),
        )
    assert row.indices[0] in fitted.recommend(3, row, N=120)[0]
    np.testing.assert_array_equal(row.data, before.data)


@pytest.mark.parametrize("method", ["recommend", "similar_items", "similar_users"])
def test_lengths_of_lists(fitted, method):
    for N in (0, -3):
        with pytest.raises(ValueError, match=f"N must be at least 1, got {N}"):
            getattr(fitted, method)(0, N=N)
    for N in (2.5, "10", True):
        with pytest.raises(TypeError, match="N must be an integer"):
            getattr(fitted, method)(0, N=N)


def test_lists_of_items(fitted):
    with pytest.raises(ValueError, match="either items or filter_items"):
        fitted.recommend(0, items=[1, 2], filter_items=[3])
    with pytest.raises(ValueError, match="items must be a list .* not empty"):
        fitted.recommend(0, items=[])
    with pytest.raises(ValueError, match="items has 5 more than once"):
        fitted.recommend(0, items=[5, 2, 5])
    with pytest.raises(ValueError, match="either users or filter_users"):
        fitted.similar_users(0, users=[1], filter_users=[2])
    ids, _ = fitted.recommend(0, filter_items=[])
    np.testing.assert_array_equal(ids, fitted.recommend(0)[0])


@pytest.mark.parametrize("loss", ["hinge", "logistic"])
def test_divergence_names_the_remedy_and_leaves_the_model(annotations, loss):
    model = make_model().fit(annotations, show_progress=False)
    users = model.user_factors.copy()
    with pytest.raises(ModelFitError, match=r"in epoch \d+: learning_rate=1e\+10.*Lower"):
        model.set_params(learning_rate=1e10, loss=loss, iterations=30).fit(
            annotations, show_progress=False
        )
    np.testing.assert_array_equal(model.user_factors, users)
    fresh = make_model(learning_rate=1e10, loss=loss, iterations=30)
    with pytest.raises(ModelFitError):
        fresh.fit(annotations, show_progress=False)
    assert fresh.user_factors is None


def snapshot(X):
    if isinstance(X, np.ndarray):
        return [X.copy()]
    names = {"coo": ("row", "col", "data"), "lil": ("rows", "data")}
    return [getattr(X, name).copy() for name in names.get(X.format, ("indptr", "indices", "data"))]


FORMS = {
    "csc": lambda X: X.tocsc(),
    "csr_array": csr_array,
    "dense": lambda X: X.toarray(),
    "list": lambda X: X.toarray().tolist(),
    "int": lambda X: X.astype(np.int64),
    "bool": lambda X: X.astype(bool),
    "dense bool": lambda X: X.toarray().astype(bool),
    "float64": lambda X: X.astype(np.float64),
    "uint8": lambda X: X.astype(np.uint8),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_the_same_matrix_give_the_same_model(annotations, fitted, form, recwarn):
    X = FORMS[form](annotations)
    before = None if isinstance(X, list) else snapshot(X)
    model = make_model().fit(X, show_progress=False)
    np.testing.assert_array_equal(model.item_factors, fitted.item_factors)
    if before is not None:
        for now, then in zip(snapshot(X), before, strict=True):
            np.testing.assert_array_equal(now, then)
    assert not recwarn.list


@pytest.mark.parametrize("form", ["coo", "lil", "dok"])
def test_other_formats_warn_as_implicit_does(annotations, fitted, form):
    with pytest.warns(ParameterWarning, match="tocsr"):
        model = make_model().fit(annotations.asformat(form), show_progress=False)
    np.testing.assert_array_equal(model.item_factors, fitted.item_factors)


def test_unsorted_duplicate_and_zero_entries(annotations, fitted):
    rng = np.random.default_rng(0)
    coo = annotations.tocoo()
    zero_row, zero_column = np.argwhere(annotations.toarray() == 0)[0]
    rows = np.concatenate([coo.row, coo.row[:50], [zero_row]])
    columns = np.concatenate([coo.col, coo.col[:50], [zero_column]])
    data = np.concatenate([coo.data, coo.data[:50], [0]]).astype(np.float32)
    order = rng.permutation(len(rows))
    order = order[np.argsort(rows[order], kind="stable")]
    indptr = np.searchsorted(rows[order], np.arange(401))
    X = csr_matrix((data[order], columns[order], indptr), shape=annotations.shape)
    # flags that lie
    X.has_sorted_indices = True
    X.has_canonical_format = True
    before = snapshot(X)
    model = make_model().fit(X, show_progress=False)
    np.testing.assert_array_equal(model.item_factors, fitted.item_factors)
    for now, then in zip(snapshot(X), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_64_bit_indices(annotations, fitted):
    X = annotations.copy()
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    model = make_model().fit(X, show_progress=False)
    np.testing.assert_array_equal(model.item_factors, fitted.item_factors)
    assert X.indices.dtype == np.int64


def test_read_only_and_memory_mapped_arrays(annotations, fitted, tmp_path):
    X = annotations.copy()
    for name in ("data", "indices", "indptr"):
        np.save(tmp_path / f"{name}.npy", getattr(X, name))
        setattr(X, name, np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    model = make_model().fit(X, show_progress=False)
    np.testing.assert_array_equal(model.item_factors, fitted.item_factors)
    dense = annotations.toarray()
    dense.flags.writeable = False
    model.fit(dense, show_progress=False)
    np.testing.assert_array_equal(model.item_factors, fitted.item_factors)


def test_one_image_and_one_label():
    for shape in ((1, 1), (1, 5), (5, 1)):
        model = make_model().fit(np.eye(*shape), show_progress=False)
        ids, _ = model.recommend(0, N=3)
        assert ids.shape == (3,)


def test_sums_of_small_integers_do_not_overflow():
    X = csr_matrix((np.array([128, 128, 1, 1], np.uint8), [0, 0, 1, 0], [0, 3, 4]), shape=(2, 3))
    model = VSEens(factors=2, iterations=1).fit(X, show_progress=False)
    assert set(model.recommend(0, N=3)[0]) == {2, -1}


def test_half_precision():
    X = np.eye(4, dtype=np.float16) + np.eye(4, k=1, dtype=np.float16)
    assert VSEens(factors=2, iterations=1).fit(X, show_progress=False).user_factors.shape == (4, 3)


@pytest.mark.parametrize("sampling", ["pairs", "images", "weighted"])
def test_nothing_to_learn_where_all_have_every_label(sampling):
    model = VSEens(factors=2, iterations=2, positive_sampling=sampling)
    model.fit(np.ones((3, 2)), show_progress=False)
    assert np.isfinite(model.item_factors).all()


def test_rows_of_sparse_arrays_of_one_dimension(fitted, annotations):
    X = csr_array(annotations)
    row = X[[3]].reshape(120).tocoo() if X[3].ndim == 2 else X[3]
    expected = fitted.recommend(3, annotations[3], recalculate_user=True)
    np.testing.assert_array_equal(fitted.recommend(3, row, recalculate_user=True), expected)
    factors = fitted.transform(annotations[3])
    np.testing.assert_array_equal(fitted.transform(row), factors)
    np.testing.assert_array_equal(fitted.recalculate_user(3, row), factors[0])
    column = X.T.tocsr()[7]
    np.testing.assert_array_equal(
        fitted.recalculate_item(7, column), fitted.recalculate_item(7, annotations.T.tocsr()[7])
    )
    similar = fitted.similar_items(7, recalculate_item=True, item_users=column)[0]
    assert similar[0] == 7
    grown = make_model().fit(annotations, show_progress=False)
    grown.partial_fit_users(400, row)
    grown.partial_fit_items(3, csr_array(np.ones((2, 401)))[0])
    np.testing.assert_array_equal(grown.user_factors[400], factors[0])
    with pytest.raises(ValueError, match="1 rows for 2 ids"):
        fitted.recommend([3, 4], row)


PER_USER = [[[1], [2, 3], []], [[1, 4], [2, 3], [5, 6]], np.ones((3, 2), int), {0: [1]}]


@pytest.mark.parametrize("lists", PER_USER)
def test_filters_of_each_image_name_user_items(fitted, annotations, lists):
    with pytest.raises((TypeError, ValueError), match=r"filter_items is one list for all.*others"):
        fitted.recommend([0, 1, 2], filter_items=lists)
    # which the message names
    others = csr_matrix(([1.0, 1, 1], ([0, 1, 1], [1, 2, 3])), shape=(3, 120))
    ids, _ = fitted.recommend([0, 1, 2], annotations[[0, 1, 2]] + others, N=120)
    assert all(not set(row.indices) & set(found) for row, found in zip(others, ids, strict=True))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (5, ValueError, r"got 5: pass filter_items=\[5\]"),
        (np.int64(5), ValueError, r"filter_items must be a list of label ids, got .*5"),
        ("face", TypeError, "got the string 'face'; NamedModel takes names"),
        (["face"], TypeError, "names by vseens_rec.NamedModel"),
        (np.arange(120) < 5, TypeError, "np.flatnonzero of the mask"),
        ([1.5], TypeError, r"got an array of float64: .*pass ids.astype\(int\)"),
    ],
)
def test_what_is_no_list_of_labels(fitted, given, error, message):
    with pytest.raises(error, match=message):
        fitted.recommend(0, filter_items=given)
    with pytest.raises(error, match=message.replace("filter_items", "items")):
        fitted.recommend(0, items=given)
    with pytest.raises(error, match=message):
        fitted.similar_items(0, filter_items=given)


@pytest.mark.parametrize("convert", [list, tuple, set, np.array, frozenset])
def test_lists_of_labels_in_any_form(fitted, convert):
    ids = fitted.recommend(0, N=5, filter_items=convert([5, 2, 9]))[0]
    np.testing.assert_array_equal(ids, fitted.recommend(0, N=5, filter_items=[2, 5, 9])[0])
    ids = fitted.recommend(0, items=convert([5, 2, 9]))[0]
    np.testing.assert_array_equal(ids, fitted.recommend(0, items=[2, 5, 9])[0])
    for method in (fitted.similar_items, fitted.similar_users):
        assert 5 not in method(0, **{f"filter_{method.__name__[8:]}": convert([5, 2, 9])})[0]
        # nothing to leave out
        empty = method(0, **{f"filter_{method.__name__[8:]}": convert([])})
        np.testing.assert_array_equal(empty, method(0))


def test_ids_of_pandas(fitted):
    pd = pytest.importorskip("pandas")
    expected = fitted.recommend([3, 7], N=4)[0]
    for ids in (pd.Series([3, 7]), pd.Series([3, 7], dtype="Int64"), pd.Index([3, 7])):
        np.testing.assert_array_equal(fitted.recommend(ids, N=4)[0], expected)
        assert not set(fitted.recommend(0, filter_items=ids)[0]) & {3, 7}
    assert fitted.recommend(pd.Series([3, 7]).iloc[0], N=4)[0].tolist() == expected[0].tolist()
    with pytest.raises(TypeError, match="names by vseens_rec.NamedModel"):
        fitted.recommend(pd.Series(["a", "b"]))
    with pytest.raises(TypeError, match="userid must"):
        fitted.recommend(pd.Series([3, None], dtype="Int64"))


def test_ids_of_the_wrong_kind_name_the_call(fitted):
    for ids, message in (
        ("photo.jpg", "names by vseens_rec.NamedModel"),
        ({3: 1}, "pass a list of them"),
        ({3, 4}, r"pass list\(set\)"),
        (np.array([True, False]), "np.flatnonzero"),
    ):
        with pytest.raises(TypeError, match=f"userid must .*{message}"):
            fitted.recommend(ids)


def test_minus_one_thread_names_zero(annotations, fitted):
    with pytest.raises(ValueError, match="Got -1 instead; num_threads=0 takes all processors"):
        make_model(num_threads=-1).fit(annotations)
    with pytest.raises(ValueError, match="at least 0, got -1: 0 takes all processors"):
        ranking_metrics(fitted, None, annotations, "mrr", num_threads=-1)
    model = make_model(num_threads=-1)
    model.user_factors, model.item_factors = fitted.user_factors, fitted.item_factors
    with pytest.raises(ValueError, match="at least 0, got -1: 0 takes all processors"):
        model.recommend(0, filter_already_liked_items=False)


def test_images_beyond_the_model_come_first(fitted):
    with pytest.raises(ValueError, match="add the new images first, by partial_fit_users"):
        fitted.recalculate_item(3, csr_matrix((1, 401)))
