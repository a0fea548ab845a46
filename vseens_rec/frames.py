"""Data frames, of pandas or others: what their columns are called, and whether they are wide."""

from collections.abc import Hashable
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

Names: TypeAlias = list[Any]

# a table of pairs has no more columns: image, label, value, time and a few more about the pair
MOST_COLUMNS_OF_PAIRS = 8
# without names to go by: image, label, value, time
MOST_COLUMNS_OF_NUMBERS = 4
# what such tables call the ids of their pairs, in the singular
OF_IMAGES = frozenset(
    ("user", "uid", "customer", "client", "visitor", "session", "image", "img", "photo", "picture")
)
OF_LABELS = frozenset(
    ("item", "iid", "label", "tag", "keyword", "product", "movie", "film", "track", "song",
     "artist", "article", "sku")
)  # fmt: skip


def is_frame(X: Any) -> bool:
    """Tell a table with named columns from a matrix."""
    return not issparse(X) and (hasattr(X, "columns") or hasattr(X, "column_names"))


def column_names(X: Any) -> Names | None:
    """Return what the columns of a frame are called; None where they are only numbered."""
    return _given(_columns(X)) if is_frame(X) else None


def row_names(X: Any) -> Names | None:
    """Return the index of a frame of pandas; None where rows are only numbered."""
    return _given(X.index) if is_frame(X) and hasattr(X, "index") else None


def _columns(X: Any) -> Names:
    return list(X.column_names if hasattr(X, "column_names") else X.columns)


def _given(names: Any) -> Names | None:
    plain = [name.item() if isinstance(name, np.generic) else name for name in names]
    numbered = all(type(name) is int for name in plain) and plain == list(range(len(plain)))
    return None if numbered else plain


def remember_columns(estimator: Any, names: Names | None) -> None:
    """Keep the names of the columns of the fit that scikit-learn does not keep.

    It has ``feature_names_in_`` where all names are text, and nothing where ids are numbers.
    """
    estimator.__dict__.pop("_column_names", None)
    if names is not None and not hasattr(estimator, "feature_names_in_"):
        estimator._column_names = names


def forget_columns(estimator: Any) -> None:
    """Drop the names of the columns, of which there are more now."""
    for attribute in ("feature_names_in_", "_column_names"):
        estimator.__dict__.pop(attribute, None)


def fitted_columns(estimator: Any) -> Names | None:
    """Return the names of the columns that an estimator was fitted with, if they had any."""
    known = getattr(estimator, "feature_names_in_", None)
    if known is not None:
        return list(known)
    names: Names | None = getattr(estimator, "_column_names", None)
    return names


def check_columns(estimator: Any, X: Any, argument: str) -> None:
    """Check that a frame has the columns of the fit, in their order."""
    names, known = column_names(X), fitted_columns(estimator)
    if names is None or known is None or names == known:
        return
    fitted = "the columns of the fit"
    if hasattr(estimator, "feature_names_in_"):
        fitted = "model.feature_names_in_"
    # in the words of scikit-learn, whose estimator checks look for them
    problem = "The feature names should match those that were passed during fit.\n"
    unseen, missing = _lacking(names, known), _lacking(known, names)
    if unseen:
        problem += f"Feature names unseen at fit time:\n{_listed(unseen)}"
    if missing:
        problem += f"Feature names seen at fit time, yet now missing:\n{_listed(missing)}"
    if unseen or missing:
        problem += (
            f"Pass {argument}.reindex(columns={fitted}, fill_value=0) if those are labels that "
            "these images lack or that the model need not know"
        )
    else:
        problem += (
            "Feature names must be in the same order as they were in fit.\n"
            f"Pass {argument}[{fitted}]"
        )
    raise ValueError(problem)


def check_grown_columns(known: Names | None, X: Any) -> None:
    """Check that a frame to train on with has the columns there were first, and new ones last."""
    names = column_names(X)
    if names is None or known is None or names[: len(known)] == known:
        return
    missing = _lacking(known, names)
    if missing:
        raise ValueError(
            "warm_start needs the labels that the model has, but X lacks the columns\n"
            f"{_listed(missing)}Add them with zeros, or use warm_start=False"
        )
    raise ValueError(
        "warm_start needs the columns of X in the order of the first fit, new ones last: pass "
        "X[[*columns of the first fit, *new ones]], or use warm_start=False"
    )


def check_same_names(X: Any, y: Any) -> None:
    """Check that two frames name the same rows and columns, in the same order."""
    for axis, one, other in (
        ("columns", column_names(X), column_names(y)),
        ("rows", row_names(X), row_names(y)),
    ):
        if one is not None and other is not None and one != other:
            which = "others" if _lacking(one, other) or _lacking(other, one) else "in another order"
            raise ValueError(
                f"X and y are frames with the same images and labels, but the {axis} of y are "
                f"{which}: pass y.reindex(index=X.index, columns=X.columns, fill_value=0)"
            )


def check_wide(X: Any, argument: str) -> None:
    """Refuse a long table, with a row for every pair, where a matrix is expected."""
    if issparse(X):
        return
    names = getattr(getattr(X, "dtype", None), "names", None)
    if names:
        _refuse_long(argument, names, *(_pair_of(names) or names[:2]))
    if is_frame(X):
        _check_frame(X, argument)
    elif isinstance(X, np.ndarray) and _looks_like_pairs(X):
        raise ValueError(
            f"{argument} of shape {X.shape} looks like a table with a row for every pair of an "
            "image and a label, but a matrix of images x labels is expected: pass "
            f"scipy.sparse.csr_matrix((np.ones(len({argument})), ({argument}[:, 0], "
            f"{argument}[:, 1]))). If these are {X.shape[1]} labels after all, pass "
            f"csr_matrix({argument})"
        )


def _check_frame(X: Any, argument: str) -> None:
    names = _columns(X)
    if len(names) < 2 or len(set(map(str, names))) < len(names):
        return
    kinds: Any = getattr(X, "dtypes", None)
    objects = names
    if hasattr(kinds, "to_numpy"):
        # of pandas: columns of numbers need not be looked at
        objects = [n for n, kind in zip(names, kinds, strict=True) if kind.kind not in "biuf"]
    for name in objects:
        if isinstance(_first_value(X, name), (list, tuple, set, frozenset, np.ndarray)):
            other = next((n for n in names if _is_of(n, OF_IMAGES)), None) or next(
                n for n in names if n != name
            )
            raise ValueError(
                f"{argument} has lists in its column {name!r}, but a matrix of images x labels is "
                f"expected: with long = {argument}.explode({name!r}), which has a row for every "
                f"pair, that is pandas.crosstab(long[{other!r}], long[{name!r}])"
            )
    pair = _pair_of(names)
    texts = [name for name in objects if _is_text(_first_value(X, name))]
    if len(names) <= MOST_COLUMNS_OF_PAIRS and (pair or len(texts) >= 2):
        _refuse_long(argument, names, *(pair or texts[:2]))
    # the ids of the images as one column more, as reset_index leaves them
    ids = texts[:1] or [name for name in names if _is_of(name, OF_IMAGES)][:1]
    if ids and _all_differ(X[ids[0]]) and len(names) > 2:
        raise ValueError(
            f"{argument} has the column {ids[0]!r}, which names the images and is no label: pass "
            f"{argument}.set_index({ids[0]!r})"
        )
    if texts and len(names) <= MOST_COLUMNS_OF_PAIRS:
        other = next(name for name in names if name not in texts)
        _refuse_long(argument, names, texts[0], other)
    if len(names) <= MOST_COLUMNS_OF_NUMBERS and _looks_like_pairs(np.asarray(X)):
        _refuse_long(argument, names, names[0], names[1])


def _pair_of(names: Any) -> tuple[Any, Any] | None:
    """Find the columns that name images and labels."""
    image = next((name for name in names if _is_of(name, OF_IMAGES)), None)
    label = next((name for name in names if _is_of(name, OF_LABELS)), None)
    return None if image is None or label is None else (image, label)


def _is_of(name: object, words: frozenset[str]) -> bool:
    """Tell whether a name is one of these words, as "user_id", "userId" and "Users" are "user"."""
    if not isinstance(name, str):
        return False
    text = "".join(char for char in name.lower() if char.isalnum())
    singular = text.removesuffix("s")
    return bool({text, singular, singular.removesuffix("id"), text.removesuffix("name")} & words)


def _first_value(X: Any, name: Any) -> Any:
    return next((value for value in X[name] if value is not None), None)


def _is_text(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        float(value)
    except ValueError:
        return True
    return False


def _all_differ(column: Any) -> bool:
    values = list(column)
    if len(values) < 3 or not all(isinstance(v, (str, int, np.integer)) for v in values):
        return False
    return len(set(values)) == len(values)


def _refuse_long(argument: str, names: Any, image: Any, label: Any) -> NoReturn:
    raise ValueError(
        f"{argument} has the columns {', '.join(map(repr, names))} and looks like a table with a "
        "row for every pair of an image and a label, but a matrix of images x labels is expected: "
        f"pass pandas.crosstab({argument}[{image!r}], {argument}[{label!r}]), or to keep the names "
        f"NamedModel.of(model, vseens_rec.datasets.read_pairs({argument}, image={image!r}, label="
        f"{label!r})). If these are {len(names)} labels after all, pass "
        f"scipy.sparse.csr_matrix({argument})"
    )


def _looks_like_pairs(values: NDArray[Any]) -> bool:
    """Tell whether rows of numbers are pairs of ids, with a value and a time perhaps.

    As a matrix it would have hardly an image that lacks a label, so nothing to learn from.
    """
    if values.ndim != 2 or values.dtype.kind not in "iuf":
        return False
    n_rows, n_columns = values.shape
    if n_rows < 3 or not 2 <= n_columns <= MOST_COLUMNS_OF_NUMBERS:
        return False
    ids = values[:, :2]
    if not (np.isfinite(ids).all() and (ids >= 0).all() and (ids == np.floor(ids)).all()):
        return False
    if (values > 0).mean() < 0.9 or ids.max(axis=0).min() < 2:
        return False
    return len(np.unique(ids, axis=0)) == n_rows and len(np.unique(ids[:, 1])) > 2


def _lacking(names: Names, others: Names) -> Names:
    there = {_hashable(name) for name in others}
    return [name for name in names if _hashable(name) not in there]


def _hashable(name: Any) -> Hashable:
    return name if isinstance(name, Hashable) else repr(name)


def _listed(names: Names) -> str:
    shown = [f"- {name}\n" for name in sorted(names, key=str)]
    return "".join(shown[:5]) + ("- ...\n" if len(shown) > 5 else "")
