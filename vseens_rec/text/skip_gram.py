"""SkipGram: word vectors from counts of pairs of words, or from text."""

from collections.abc import Iterable
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import csr_matrix, issparse
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from .._typing import BinaryFile, EpochCallback, Floats, MatrixLike, PathLike, RandomStateLike
from ..choices import Random, Sampler, Selection, Start
from ..datasets.sources import is_file, is_path
from ..engine.features import Features
from ..engine.settings import Usual
from ..files.checkpoints import Checkpoint
from ..files.models import Extras, ModelState
from ..vseens import VSEens
from .counting import LONGEST_WINDOW, Sentences, SkipGramCounts, count_skip_grams
from .word_vectors import WordVectors

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["SkipGram"]


def _check_extras(state: ModelState, owner: str) -> None:
    words = state.values.get("words_", [])
    if not all(isinstance(word, str) for word in words) or len(set(words)) < len(words):
        raise ValueError(f"words_ of {owner} holds more than words, each once")
    counts, items = (state.arrays.get(name) for name in ("context_counts_", "item_factors"))
    if counts is not None and (
        items is None
        or len(counts) != len(items)
        or not (np.isfinite(counts) & (counts >= 0)).all()
    ):
        raise ValueError(f"{owner} has counts of contexts that do not agree with its factors")


class SkipGram(VSEens):
    """Word vectors by skip-gram with negative sampling, as word2vec learns them.

    A word and a context, which is a word near it, are drawn in proportion to how often they stand
    near each other, and compared with contexts that are drawn at random: the score of the pair goes
    up, those of the word with the other contexts go down (Mikolov et al., NIPS 2013). It is a
    preset of `VSEens` for a matrix of counts: ``loss="sgns"``, ``selection="first"``,
    ``positive_sampling="weighted"``, no bias, no penalty, and negatives that may be true contexts
    as well, as in word2vec. An epoch draws as many pairs as the counts sum up to, and the learning
    rate falls all the way through it. Take it for words, and for other counts of what occurs
    together.

    Parameters
    ----------
    factors : int, default=100
        Columns of the vectors.
    learning_rate : float, default=0.025
        Step size at the start; it falls to 0 in a straight line.
    iterations : int, default=5
        Number of epochs.
    window, min_count, sample, max_vocabulary : int, int, float or None, int or None, \
            default=5, 5, 1e-3, None
        Which pairs of words of a text count, as in `count_skip_grams`. A matrix has counts already.
    sampler : {"popularity", "adaptive", "uniform", "exact"} or Sampler, default="popularity"
        Where candidates are drawn from. ``"popularity"`` or `ByPopularity`: in proportion to a
        power of how often the word occurs in the text, or of the sum of its column.
    selection : {"first", "group", "hardest"}, Selection or None, default=None
        As in `VSEens`.
    candidates : int, default=5
        Negatives that are drawn for every pair.
    verify_negative_samples : bool, default=False
        Draw no context as a negative that was counted with the word.
    init : {"random", "spectral"}, Random, Spectral or None, default=None
        As in `VSEens`; None: ``Random(scale=0.003)``, so that scores start near 0.
    warm_start : bool, default=False
        Go on from the factors there are. The words have to be the same; new ones come last.
    dtype : {np.float32, np.float64}, default=np.float32
        Type of the vectors. Training computes in float32.
    num_threads : int, default=0
        Threads that count and train; 0: all processors of the process.
    random_state : int, RandomState, Generator or None, default=None
        Seed. One seed and one thread give the same bits.

    Attributes
    ----------
    vectors_ : ndarray of shape (n_words, factors)
        Vectors of the words: `user_factors` under another name. `item_factors` are those of the
        contexts.
    words_ : list of str
        The word of every row, the most frequent first. A matrix alone has no words.
    vocabulary_ : dict of str to int
        The row of every word.
    word_vectors_ : WordVectors
        Words and vectors, to keep, to write and to ask without the model.
    context_counts_ : ndarray of shape (n_contexts,)
        What ``sampler="popularity"`` follows.
    history_, n_iter_, n_features_in_ : as in `VSEens`
        What the epochs recorded.

    See Also
    --------
    vseens_rec.text.count_skip_grams : The matrix of counts of a text.

    Examples
    --------
    >>> from vseens_rec import SkipGram
    >>> text = [["the", "cat", "sat"], ["the", "dog", "sat"], ["a", "boat", "sank"]] * 50
    >>> model = SkipGram(factors=8, min_count=1, sample=None, random_state=0, num_threads=1)
    >>> model = model.fit(text, show_progress=False)
    >>> model.vectors_.shape, sorted(model.vocabulary_)[:3]
    ((7, 8), ['a', 'boat', 'cat'])
    """

    loss = "sgns"
    positive_sampling = "weighted"
    learning_rate_schedule = "linear"
    regularization = 0.0
    damped_steps = False
    user_learning_rate_multiplier = 1.0
    use_bias = False
    cosine = False
    # a fold-in would compute vectors from which contexts a word has, without their counts
    fold_in_users = False
    early_stopping = False
    item_item = None
    features = None

    _extras = Extras(
        arrays={"context_counts_": (1, (np.float64,))},
        values={"words_": list},
        check=_check_extras,
    )
    _takes_features = False
    _usual = Usual(choices={"init": Random(scale=0.003)}, values_are_counts=True)

    words_: list[str]
    context_counts_: NDArray[np.float64]

    _parameter_constraints: ClassVar[dict[str, list[Any] | str]] = {
        **VSEens._parameter_constraints,
        "window": [Interval(Integral, 1, LONGEST_WINDOW, closed="both")],
        "min_count": [Interval(Integral, 1, None, closed="left")],
        "sample": [Interval(Real, 0, None, closed="neither"), None],
        "max_vocabulary": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        factors: int = 100,
        learning_rate: float = 0.025,
        iterations: int = 5,
        *,
        window: int = 5,
        min_count: int = 5,
        sample: float | None = 1e-3,
        max_vocabulary: int | None = None,
        sampler: str | Sampler = "popularity",
        selection: str | Selection | None = None,
        candidates: int = 5,
        verify_negative_samples: bool = False,
        init: str | Start | None = None,
        warm_start: bool = False,
        dtype: DTypeLike = np.float32,
        num_threads: int = 0,
        random_state: RandomStateLike = None,
    ):
        self.factors = factors
        self.learning_rate = learning_rate
        self.iterations = iterations
        self.window = window
        self.min_count = min_count
        self.sample = sample
        self.max_vocabulary = max_vocabulary
        self.sampler = sampler
        self.selection = selection
        self.candidates = candidates
        self.verify_negative_samples = verify_negative_samples
        self.init = init
        self.warm_start = warm_start
        self.dtype = dtype
        self.num_threads = num_threads
        self.random_state = random_state

    def fit(
        self,
        X: MatrixLike | SkipGramCounts | Sentences | None = None,
        y: object = None,
        show_progress: Any = None,
        callback: EpochCallback | None = None,
        *,
        user_items: MatrixLike | None = None,
        image_features: MatrixLike | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> "Self":
        """Learn the vectors of words and contexts, starting afresh.

        Parameters
        ----------
        X : SkipGramCounts, sentences, path, open file, or matrix of shape (n_words, n_contexts)
            What `count_skip_grams` returns or takes, or counts of pairs without words.
        y, show_progress, callback, user_items : as in `VSEens`
            See `VSEens.fit`.
        image_features : None
            Words have none.
        checkpoint : Checkpoint, optional
            See `VSEens.fit`.

        Returns
        -------
        SkipGram
            The model itself.

        Raises
        ------
        TypeError, ValueError
            As from `VSEens.fit`, and from `count_skip_grams` for a text.

        Examples
        --------
        >>> from vseens_rec import SkipGram
        >>> model = SkipGram(factors=2, min_count=1, random_state=0, num_threads=1)
        >>> model.fit([["sea", "lake"]], show_progress=False).words_
        ['sea', 'lake']
        """
        given: Any = X
        super().fit(
            given,
            y,
            show_progress,
            callback,
            user_items=user_items,
            image_features=image_features,
            checkpoint=checkpoint,
        )
        return self

    @property
    def vectors_(self) -> Floats:
        """Vectors of the words, (n_words, factors)."""
        # attributes of a fit are missing before it
        if self.user_factors is None:
            raise AttributeError("vectors_ is there after fit")
        vectors: Floats = self.user_factors
        return vectors

    @property
    def vocabulary_(self) -> dict[str, int]:
        """The row of every word."""
        return {word: row for row, word in enumerate(self.words_)}

    @property
    def word_vectors_(self) -> WordVectors:
        """Words and their vectors."""
        return WordVectors(self.words_, self.vectors_)

    def most_similar(
        self,
        positive: str | Iterable[str],
        negative: str | Iterable[str] = (),
        N: int = 10,
    ) -> list[tuple[str, float]]:
        """Find the words nearest to the sum of some, less that of others, by the cosine.

        Parameters
        ----------
        positive, negative, N : as in `WordVectors`
            See `WordVectors.most_similar`.

        Returns
        -------
        list of (str, float)
            Words, none of those that were given, and their cosines, the highest first.

        Raises
        ------
        KeyError
            A word is not there.
        ValueError
            No word is given, or the model was fitted on a matrix without words.

        Examples
        --------
        >>> from vseens_rec import SkipGram
        >>> text = [["the", "cat", "sat"], ["the", "dog", "sat"], ["a", "boat", "sank"]] * 50
        >>> model = SkipGram(factors=8, min_count=1, sample=None, random_state=0, num_threads=1)
        >>> len(model.fit(text, show_progress=False).most_similar("cat", N=3))
        3
        """
        check_is_fitted(self)
        if not hasattr(self, "words_"):
            raise ValueError(
                "the model was fitted on a matrix without words: fit it on what count_skip_grams "
                "returns, or ask for rows, such as similar_users(0)"
            )
        return self.word_vectors_.most_similar(positive, negative, N)

    def save_word2vec(self, file: PathLike | BinaryFile, *, binary: bool = True) -> None:
        """Write words and vectors in word2vec's format, which gensim and others read.

        Parameters
        ----------
        file : str, path-like or binary file object
            A name that ends with ``.gz`` is packed.
        binary : bool, default=True
            Write numbers as 4 bytes each, or as text.

        See Also
        --------
        vseens_rec.text.WordVectors.load_word2vec : Reads it.

        Examples
        --------
        >>> import io
        >>> from vseens_rec import SkipGram
        >>> model = SkipGram(factors=2, min_count=1, random_state=0, num_threads=1)
        >>> model = model.fit([["sea", "lake"]], show_progress=False)
        >>> file = io.BytesIO()
        >>> model.save_word2vec(file, binary=False)
        >>> file.getvalue().splitlines()[0]
        b'2 2'
        """
        check_is_fitted(self)
        self.word_vectors_.save_word2vec(file, binary=binary)

    def _as_matrix(self, X: Any) -> Any:
        known = self.__dict__.pop("words_", None) if self.__sklearn_is_fitted__() else None
        self.__dict__.pop("context_counts_", None)
        if is_text(X):
            X = count_skip_grams(
                X,
                window=self.window,
                min_count=self.min_count,
                sample=self.sample,
                max_vocabulary=self.max_vocabulary,
                num_threads=self.num_threads,
            )
        if not isinstance(X, SkipGramCounts):
            return X
        if self.warm_start and known is not None and X.words[: len(known)] != known:
            raise ValueError(
                "warm_start goes on with the words that the model has, in their order, and new "
                "ones behind them: count the text so, or use warm_start=False"
            )
        self.words_ = list(X.words)
        self.context_counts_ = X.counts.astype(np.float64)
        return X.matrix

    def _learn(
        self,
        matrix: csr_matrix,
        show_progress: bool,
        callback: EpochCallback | None,
        checkpoint: Checkpoint | None,
        features: Features | None,
    ) -> None:
        if not hasattr(self, "context_counts_"):
            self.context_counts_ = np.asarray(matrix.sum(axis=0, dtype=np.float64)).ravel()
        super()._learn(matrix, show_progress, callback, checkpoint, features)

    def _popularity(self, matrix: csr_matrix) -> NDArray[np.float64]:
        return self.context_counts_

    def _label_counts(self) -> NDArray[np.float64]:
        return self.context_counts_


def is_text(X: Any) -> bool:
    """Tell sentences, or a file of them, from a matrix and from counts."""
    if is_path(X) or is_file(X):
        return True
    if (
        isinstance(X, SkipGramCounts)
        or issparse(X)
        or hasattr(X, "__array__")
        or hasattr(X, "columns")
        or not isinstance(X, Iterable)
    ):
        return False
    if not isinstance(X, (list, tuple)):
        # what can be walked through and nothing else
        return True
    first = next(
        (sentence for sentence in X if not hasattr(sentence, "__len__") or len(sentence)), None
    )
    return isinstance(first, str) or (
        isinstance(first, (list, tuple)) and isinstance(first[0], str)
    )
