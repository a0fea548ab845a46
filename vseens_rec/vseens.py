"""VSEens: the estimator."""

import sys
import warnings
from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from implicit.recommender_base import ModelFitError
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from . import _validation, frames, persistence
from ._native import MIN_PAIRS_PER_THREAD, effective_threads, limit_blas
from ._typing import (
    BinaryFile,
    EpochCallback,
    Floats,
    History,
    IdsLike,
    MatrixLike,
    PathLike,
    RandomStateLike,
)
from .archive import MmapMode
from .checkpoints import Checkpoint, Resumable, stored_choice
from .early_stopping import EarlyStopping, validation_split
from .fold_in import LEAST_STEPS, FoldIn
from .metrics import held_out_metrics
from .recommender import FactorRecommender
from .sampling import count_labels, padded
from .training import Settings, Trainer, last_group_size
from .trial import MOST_FACTORS, Choice, choose, hardness_of
from .updates import ArrayNotes, StoredPairs, grown, is_unshared, replaced, transposed

if TYPE_CHECKING:
    from typing_extensions import Self

# with fewer labels than that a random start ranks 1 to 2 % higher after many iterations
SPECTRAL_FROM = 500
# of an image's steps; with more pairs each is smaller, so that an epoch moves it as far in all
USUAL_MULTIPLIER = 8.0
PAIRS_OF_FULL_STEPS = 6.0
# with less of the variance of scores after so many epochs, factors do not tell images apart
SHARE_OF_COLLAPSE = 0.02
EPOCHS_TO_JUDGE = 10
# what fold-in needs of the labels' factors, made at its first use; copies of a model share it
_folders: ArrayNotes[FoldIn] = ArrayNotes()


class VSEens(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, FactorRecommender):
    """Matrix factorisation that learns to rank with adaptively sampled negatives.

    Every positive pair of an image (user, row) and a label (item, column) is compared with
    labels the image does not have, and the factors move so that the positive scores higher
    (stochastic gradient descent). The ``"adaptive"`` sampler draws the labels that the model
    ranks high now, at a cost that does not depend on the number of labels (VSE-ens [1]_).

    Parameters
    ----------
    factors : int, default=128
        Number of latent factors.
    learning_rate : float or None, default=None
        Step size of the labels, and of the images if multiplied. None: 0.2 for steps on one
        positive and one negative, 0.05 for those on several, both damped (see `damped_steps`).
        Where steps are not damped, they can overshoot until the factors are infinite, and None is
        0.08, a quarter of it with `share_candidates`. For ``"softmax"`` all of them are multiplied
        by the `temperature` if that is below 1.
    regularization : float or None, default=None
        L2 penalty of the three factor rows of a triplet. None: 0.04, or what a trial finds better
        for this matrix. In the trial a fifth of the labels of at most 2,000 images are hidden, a
        few short trainings with at most 64 factors learn from the rest, and the hidden labels are
        ranked. It takes a third of the penalty where that ranks 5 % higher, as it does for images
        of many labels: the penalty counts once for every pair, so that it shrinks the factors of
        long rows until little but the biases is left. It takes fewer candidates over more ranks
        where that ranks 5 % higher, if `candidates` and `rank_scale` are open as well. Where
        nothing ranks above popularity, the model ends as popularity, with a warning. `trial_` has
        what was found. A number here leaves the trial out. So do fewer than 20 `iterations`, fewer
        than 100 images of two labels or more, and a `positive_sampling` other than ``"pairs"``.
    iterations : int, default=50
        Number of epochs: each trains on as many positives as there are stored pairs.
    sampler : {"adaptive", "uniform", "popularity", "exact"}, default="adaptive"
        Where negatives are drawn from. ``"adaptive"``: a rank from a truncated exponential law, a
        factor f in proportion to ``|v_if| sigma_f``, and the label at that rank from the top
        (bottom, if ``v_if < 0``) of the labels sorted by factor f. ``"uniform"``: all labels
        alike. ``"popularity"``: in proportion to a power of the number of images that have the
        label. ``"exact"``: the same law of ranks over the true current ranking of all labels for
        the image; costs scoring and sorting all labels for every image, again after every 64 of
        its pairs or 256 candidates (16 pairs with `share_candidates`). To check and to compare.
    rank_scale : float or None, default=None
        Scale of the exponential law of ranks, as a fraction of the number of labels; the paper's
        lambda. Smaller is harder. None: ``1.2 * n_labels ** -0.2`` (.30 of 1,000 labels, .12 of
        100,000), since the labels that an image might have grow in number more slowly than all
        labels do; times ``(candidates / default) ** (2 / 3)`` where the highest of them is taken,
        or where there is one; 1 at most. The scale is one rank at least, and ranks beyond ten
        times the scale are never drawn.
    refresh_interval : float, default=8.0
        How long the sorted labels are used before they are sorted anew, in units of
        ``n_labels * ln(n_labels)`` pairs; the paper's is 1.
    popularity_exponent : float, default=0.75
        The power of the ``"popularity"`` sampler.
    selection : {"first", "hardest", "group", "violator"} or None, default=None
        Which of the candidates become negatives. ``"first"``: all. ``"hardest"``: the one that
        scores highest. ``"group"``: the `group_size` that score highest. ``"violator"``:
        candidates are drawn until one scores within `margin` of the positive. None: what goes
        with the loss: ``"violator"`` for ``"warp"``, ``"first"`` for ``"softmax"`` and ``"sgns"``
        and where ``candidates=1``, else ``"hardest"``.
    candidates : int or None, default=None
        Labels drawn for a positive. None: for ``"hardest"`` and ``"group"`` as many as a fourth of
        ``n_labels ** 0.44``, rounded down, 2 at least (5 of 1,000 labels, 39 of 100,000), so that
        negatives are harder where there are more labels to choose from; for ``"softmax"`` as many
        as half of that power, 2 at least (10 of 1,000 labels); else 1. Where `rank_scale` is None
        too, ``"hardest"`` takes fewer for images of many labels, which have many more that are
        true but not stored: so few that negatives come from behind as many ranks as the image of a
        mean pair has labels.
    share_candidates : bool, default=False
        Draw one set of candidates for up to 16 positives of an image, which then take one step
        together. With many candidates (``"softmax"``) that costs a fraction.
    group_size : int or "auto", default=1
        Negatives that ``"group"`` keeps; ``"auto"`` sets it anew for every epoch from the alignment
        of positives and the uniformity of negatives (Zhang et al., EACL 2023).
    max_trials : int or None, default=None
        Most draws of ``"violator"``; None: ``n_labels - 1``. Where none violates, nothing is
        learned.
    loss : {"hinge", "logistic", "warp", "softmax", "sgns"}, default="logistic"
        With scores s_p and s_n of the positive and a negative: ``"hinge"``:
        ``max(0, margin - s_p + s_n)``. ``"logistic"``: ``log(1 + exp(s_n - s_p))``. ``"warp"``: the
        hinge times ``L(rank)``, the sum of 1/j up to the rank ``(n_labels - 1) // trials``.
        ``"softmax"``: cross-entropy of ``[s_p, s_n + margin] / temperature``. ``"sgns"``:
        ``log(1 + exp(-s_p))`` plus the sum of ``log(1 + exp(s_n))``. The first two are averaged
        over several negatives.
    margin : float or None, default=None
        Of the hinge, ``"warp"``, ``"softmax"`` and ``"violator"``; None: 0 for ``"softmax"``, else
        1.
    temperature : float, default=1.0
        Of ``"softmax"``.
    proposal_correction : bool, default=False
        Subtract the logarithm of how often a negative is drawn from its score, so that
        ``"softmax"`` estimates the softmax over all labels. Costs a pass over all labels for every
        image, as often as ``sampler="exact"`` costs one.
    positive_sampling : {"pairs", "images", "weighted"}, default="pairs"
        ``"pairs"``: every stored pair once an epoch. ``"images"``: a uniform image, then one of its
        labels. ``"weighted"``: in proportion to the stored values.
    learning_rate_schedule : {"linear", "constant"}, default="linear"
        ``"linear"``: the step falls from `learning_rate` to 0 over the `iterations`, in a warm
        start over those of that call.
    damped_steps : bool or None, default=None
        Shorten the steps that would carry scores past where their loss is least, so that a large
        `learning_rate` does no harm. On one positive and one negative: the slope of the logistic
        loss is divided by ``1 + c / 4``, where a step along a slope of 1 moves the difference of
        both scores by c, and a step on the hinge ends at the margin. On several (``"softmax"``,
        ``"sgns"``, `share_candidates`, ``"group"``): slopes are divided by ``1 + k c``, where c
        takes the squared lengths of the rows in place of their distances and k is the most that
        the loss is curved, ``1 / (4 temperature ** 2)`` for ``"softmax"``, ``1 / (4 margin)`` for
        the hinge, else 1/4. None: True, but for ``compat="released"``, which has no damping.
    user_learning_rate_multiplier : float or None, default=None
        How many times larger the steps of the images are: an image has few positives, a label has
        those of many images. None: 8 for images of up to 6 labels, and in inverse proportion to
        their number for those of more, so that an epoch moves every image as far.
    regularization_user, regularization_positive, regularization_negative : float or None, \
            default=None
        L2 penalties of the image, the positive and the negatives; None: `regularization`.
    regularize : {"all", "violating"}, default="all"
        Apply the penalties in every triplet, or only where the negative violates (see
        `history_`).
    use_bias : bool, default=True
        Learn a bias for every label, as an extra last column of the factors in which the image's
        side is 1.
    cosine : bool, default=False
        Keep every factor row at length 1, so that scores are cosines. Needs ``use_bias=False``.
    verify_negative_samples : bool, default=True
        Never use a positive of the image as a negative.
    init : {"spectral", "random"} or None, default=None
        Where `fit` starts from, unless it goes on (`warm_start`). ``"spectral"``: from a truncated
        singular value decomposition of the matrix, weighted by how many labels an image and how
        many images a label has: labels that appear together start near each other, and images
        on the way to where a fold-in would start them. That ranks well after few iterations
        already, and takes about as long as one, or two of a single candidate. ``"random"``: from
        small random factors. None: ``"spectral"`` with 500 labels or more (with fewer, ``"random"``
        ranks higher after many iterations), ``"random"`` with ``compat="released"``.
    init_scale : float, default=0.03
        Standard deviation of the normal distribution of random initial factors, which are added to
        spectral ones.
    fold_in_users : bool, default=True
        End `fit` with the factors that `transform` gives for every image: computed anew from its
        labels with the labels' factors fixed, which ranks better than the factors left by the
        training, most of all after few iterations. Otherwise those are kept.
    warm_start : bool, default=False
        Let `fit` go on from the factors that the model has. The matrix may have more images and
        labels than before: images and labels keep their numbers, and new ones start from
        factors that are folded in.
    early_stopping : bool, default=False
        Hold out one label of some images, watch how it ranks after every epoch, stop when that
        no longer improves, and return to the factors that were best. The training never sees the
        labels held out; `recommend` filters them like the others. They are chosen by hashes of
        the images' labels, so a warm start holds out the same, on more images too; a training
        before it without `early_stopping` has seen them.
    validation_fraction : float, default=0.1
        About the share of the images with two labels or more that give one to `early_stopping`.
    n_iter_no_change : int, default=10
        Epochs without an improvement after which `early_stopping` stops.
    tol : float, default=1e-4
        What counts as an improvement of `scoring`.
    scoring : str, default="ndcg@10"
        What `early_stopping` watches: a name of `vseens_rec.metrics.ranking_metrics`.
    compat : {"released"} or None, default=None
        ``"released"`` does what the code released by the paper's authors does where it differs
        from the paper, so that its figures can be followed: factors drawn by their variance, ranks
        in steps of ``rank_scale * n_labels``, ``positive_sampling="images"`` with 100 triplets for
        every image an epoch, the image's factors moved before the labels'; the violator is the
        first by id, with the logistic loss and no L(rank).
    dtype : {np.float32, np.float64}, default=np.float32
        Type of the learned factors. Training computes in float32.
    num_threads : int, default=0
        Upper limit of the threads in `fit` and in batches of recommendations, of which there are
        never more than four a processor; 0: all processors of the process. Small data is trained
        by one.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the initial factors and the draws. One seed and one thread give the same bits. With
        more threads the random numbers are the same, but the updates race (Hogwild).

    Attributes
    ----------
    user_factors : ndarray of shape (n_images, factors + use_bias)
        Factors of the images.
    item_factors : ndarray of shape (n_labels, factors + use_bias)
        Factors of the labels. Those of a label without a pair in the training are 0 but for its
        bias, which ranks it last, and those of an image without a label but for the 1 of the bias:
        nothing is similar to them.
    history_ : dict of str to list of float
        One value an epoch: ``loss`` (mean of a positive), ``violations`` (share of positives
        whose negative scored within the margin of the hinge, or, with other losses, higher),
        ``trials`` (mean number of candidates drawn for a positive), ``factor_share`` (what part of
        the variance of an image's scores comes from the factors, the rest being that of the biases;
        `fit` warns where it is below 2 % in the end) and ``seconds``; with
        `early_stopping` also ``validation``, the measure it watches, and with
        ``group_size="auto"`` also ``group_size``, the number that was kept.
    trial_ : dict
        What counts and the trial of `regularization` chose: ``penalty`` and ``hardness``, as many
        times as the usual penalty and the usual `candidates`; ``popularity``, whether that is all
        there is; and ``scores``, the NDCG@10 of hidden labels by what was tried.
    n_iter_ : int
        Number of finished epochs, those before a warm start included.
    best_iteration_ : int
        With `early_stopping`: the number of epochs after which the factors were best.
    n_features_in_ : int
        Number of labels.

    See Also
    --------
    implicit.bpr.BayesianPersonalizedRanking : The interface this class follows.

    Notes
    -----
    Images and labels are asked for by their row and column numbers, from 0 (`NamedModel` has names
    for them). Before `fit`, methods that need factors raise `sklearn.exceptions.NotFittedError`.

    References
    ----------
    .. [1] G. Guo, S. Zhai, F. Yuan, Y. Liu and X. Wang, VSE-ens: Visual-Semantic Embeddings with
       Efficient Negative Sampling, AAAI 2018, arXiv:1801.01632.

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.datasets import load_emoji
    >>> emoji = load_emoji()
    >>> model = VSEens(factors=16, iterations=5, random_state=0).fit(
    ...     emoji.matrix, show_progress=False)
    >>> ids, scores = model.recommend(0, N=3)
    >>> ids.shape, bool((scores[:-1] >= scores[1:]).all())
    ((3,), True)
    """

    history_: History
    n_iter_: int
    best_iteration_: int
    n_features_in_: int

    # what a trial starts from, and what there is without one
    _usual_penalty = 0.04

    _parameter_constraints: dict[str, Any] = _validation.PARAMETER_CONSTRAINTS | {
        "dtype": "no_validation"
    }

    def __init__(
        self,
        factors: int = 128,
        learning_rate: float | None = None,
        regularization: float | None = None,
        iterations: int = 50,
        *,
        sampler: str = "adaptive",
        rank_scale: float | None = None,
        refresh_interval: float = 8.0,
        popularity_exponent: float = 0.75,
        selection: str | None = None,
        candidates: int | None = None,
        share_candidates: bool = False,
        group_size: int | Literal["auto"] = 1,
        max_trials: int | None = None,
        loss: str = "logistic",
        margin: float | None = None,
        temperature: float = 1.0,
        proposal_correction: bool = False,
        positive_sampling: str = "pairs",
        learning_rate_schedule: str = "linear",
        damped_steps: bool | None = None,
        user_learning_rate_multiplier: float | None = None,
        regularization_user: float | None = None,
        regularization_positive: float | None = None,
        regularization_negative: float | None = None,
        regularize: str = "all",
        use_bias: bool = True,
        cosine: bool = False,
        verify_negative_samples: bool = True,
        init: str | None = None,
        init_scale: float = 0.03,
        fold_in_users: bool = True,
        warm_start: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        scoring: str = "ndcg@10",
        compat: str | None = None,
        dtype: DTypeLike = np.float32,
        num_threads: int = 0,
        random_state: RandomStateLike = None,
    ):
        self.factors = factors
        self.learning_rate = learning_rate
        self.regularization = regularization
        self.iterations = iterations
        self.sampler = sampler
        self.rank_scale = rank_scale
        self.refresh_interval = refresh_interval
        self.popularity_exponent = popularity_exponent
        self.selection = selection
        self.candidates = candidates
        self.share_candidates = share_candidates
        self.group_size = group_size
        self.max_trials = max_trials
        self.loss = loss
        self.margin = margin
        self.temperature = temperature
        self.proposal_correction = proposal_correction
        self.positive_sampling = positive_sampling
        self.learning_rate_schedule = learning_rate_schedule
        self.damped_steps = damped_steps
        self.user_learning_rate_multiplier = user_learning_rate_multiplier
        self.regularization_user = regularization_user
        self.regularization_positive = regularization_positive
        self.regularization_negative = regularization_negative
        self.regularize = regularize
        self.use_bias = use_bias
        self.cosine = cosine
        self.verify_negative_samples = verify_negative_samples
        self.init = init
        self.init_scale = init_scale
        self.fold_in_users = fold_in_users
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.scoring = scoring
        self.compat = compat
        self.dtype = dtype
        self.num_threads = num_threads
        self.random_state = random_state

    @classmethod
    def paper(cls, **parameters: Any) -> "Self":
        """Make a model with the setting of the paper; any parameter can be given anew.

        The paper uses 100 factors, a learning rate and an L2 penalty of 0.01, initial factors
        from a normal distribution with standard deviation 0.01, the hinge loss and no bias, keeps
        the image factors of the training, and tunes ``rank_scale`` (its lambda) between 0.001
        and 1 for every data set.

        Parameters
        ----------
        **parameters
            Parameters of the class that take the place of the paper's, `rank_scale` above all,
            which is 0.01 otherwise.

        Returns
        -------
        VSEens
            Not fitted. Called on a preset: that preset, with those of these values that it
            takes.

        Raises
        ------
        TypeError
            The class has no parameter of that name.

        Examples
        --------
        >>> from vseens_rec import VSEens
        >>> model = VSEens.paper(rank_scale=0.1)
        >>> model.loss, model.use_bias, model.rank_scale
        ('hinge', False, 0.1)
        """
        setting: dict[str, Any] = {
            "factors": 100,
            "learning_rate": 0.01,
            "regularization": 0.01,
            "rank_scale": 0.01,
            "refresh_interval": 1.0,
            "selection": "first",
            "learning_rate_schedule": "constant",
            "damped_steps": False,
            "user_learning_rate_multiplier": 1.0,
            "iterations": 100,
            "loss": "hinge",
            "use_bias": False,
            "init": "random",
            "init_scale": 0.01,
            "fold_in_users": False,
        }
        own = cls._get_param_names()
        return cls(**{name: value for name, value in setting.items() if name in own} | parameters)

    def __sklearn_is_fitted__(self) -> bool:
        return self.user_factors is not None and self.item_factors is not None

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        tags.target_tags.required = False
        tags.transformer_tags.preserves_dtype = []
        return tags

    @overload
    def fit(
        self,
        X: MatrixLike | None = None,
        y: object = None,
        show_progress: bool | None = None,
        callback: EpochCallback | None = None,
        *,
        user_items: MatrixLike | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> "Self": ...
    @overload
    def fit(
        self,
        X: MatrixLike,
        y: bool,
        show_progress: EpochCallback | None,
        *,
        checkpoint: Checkpoint | None = None,
    ) -> "Self": ...
    def fit(
        self,
        X: MatrixLike | None = None,
        y: object = None,
        show_progress: Any = None,
        callback: EpochCallback | None = None,
        *,
        user_items: MatrixLike | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> "Self":
        """Learn the factors of images and labels, starting afresh.

        Parameters
        ----------
        X : sparse matrix or array-like of shape (n_images, n_labels)
            A value > 0 marks a label that the image has. Stored zeros are ignored and duplicates
            summed; neither changes the arrays passed in.
        y : None
            Ignored, so that pipelines and searches work. A bool here is implicit's positional
            ``show_progress``.
        show_progress : bool or None, default=None
            Show a progress bar; None: in direct calls, not inside scikit-learn.
        callback : callable or None, default=None
            Called after every epoch as ``callback(epoch, elapsed, correct, skipped)``: number of
            the epoch from 0, its seconds, pairs whose positive scored above the negative (also
            those for which no violator was found), and pairs for which no negative was drawn that
            the image does not have (without `verify_negative_samples`: that is not the positive).
            Meanwhile the model holds what was learned so far, so that it can be measured, asked and
            saved (images' factors are those of the training, not yet folded in); afterwards it is
            what it was until `fit` ends.
        user_items : sparse matrix or array-like of shape (n_images, n_labels)
            `X`, under implicit's name for it.
        checkpoint : vseens_rec.Checkpoint or None, default=None
            A file that the training is written to as it goes on, and goes on from if it is there.

        Returns
        -------
        VSEens
            The model itself.

        Raises
        ------
        ValueError
            `X` is not a 2-d matrix of finite values >= 0 with a positive among them, a parameter
            is out of range, parameters contradict each other, or `checkpoint` is of another
            training.
        implicit.recommender_base.ModelFitError
            The factors diverged; the model is then as it was before the call.
        KeyboardInterrupt, or what `callback` or the writing of `checkpoint` raises
            The model then holds what was learned so far, with a warning that says of how many
            epochs; if none was finished, it is as it was before the call.

        Warns
        -----
        implicit.utils.ParameterWarning
            `X` is sparse, but neither CSR nor CSC.

        Examples
        --------
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(load_emoji().matrix, show_progress=False)
        >>> model.user_factors.shape, model.item_factors.shape
        ((1881, 9), (1151, 9))
        >>> model.n_iter_, len(model.history_["loss"])
        (2, 2)
        """
        if X is None:
            X = user_items
        elif user_items is not None:
            raise ValueError("fit got both X and user_items: they are two names for one matrix")
        if isinstance(y, (bool, np.bool_)):
            # fit(user_items, show_progress, callback)
            show_progress, callback = bool(y), callback or show_progress
        if show_progress is None:
            caller = sys._getframe(1).f_globals.get("__name__") or ""
            show_progress = caller.partition(".")[0] not in ("sklearn", "joblib")
        _validation.check_callback(callback)
        if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
            raise TypeError(
                f"checkpoint must be a vseens_rec.Checkpoint, got {checkpoint!r}: use "
                "checkpoint=Checkpoint(path)"
            )
        if checkpoint is not None:
            checkpoint.check()
        _validation.check_parameters(self)
        before = dict(self.__dict__)
        try:
            matrix = _validation.check_user_items(self, X)
            with limit_blas(self.num_threads):
                self._learn(matrix, bool(show_progress), callback, checkpoint)
        except BaseException:
            if self.user_factors is before.get("_user_factors"):
                # nothing was learned: what checking X has set goes back as well
                self.__dict__.clear()
                self.__dict__.update(before)
            raise
        return self

    def _learn(
        self,
        matrix: csr_matrix,
        show_progress: bool,
        callback: EpochCallback | None,
        checkpoint: Checkpoint | None,
    ) -> None:
        threads = effective_threads(self.num_threads)
        _validation.check_combination(self._settings(matrix.shape[1], Choice()))
        seed = _validation.seed_from(self.random_state)
        monitor, train = None, matrix
        if self.early_stopping:
            train, held_out = validation_split(matrix, self.validation_fraction)
            monitor = EarlyStopping(
                train,
                held_out,
                metric=self.scoring,
                n_iter_no_change=self.n_iter_no_change,
                tol=self.tol,
                fold_in=self.fold_in_users,
                num_threads=threads,
            )
        # factors of zero, with which popularity is all there is, have no direction to go on in
        continues = (
            self.warm_start and self.__sklearn_is_fitted__() and not self._choice().popularity
        )
        choice = self._choice() if continues else self._try(train, seed, threads, checkpoint)
        settings = self._settings(matrix.shape[1], choice)
        initial = self._factors_to_continue(train) if continues else None
        if initial is not None and monitor is not None:
            # the factors there are have seen the labels that are now held out
            users, items = initial[0].copy(), initial[1]
            users[monitor.rows] = self._fold_in_rows(train[monitor.rows, : len(self.item_factors)])
            initial = (users, items)
        trainer = Trainer(train, settings, seed, threads, initial)
        if continues:
            # factors set by hand have no epochs
            trainer.continue_history(self._history(), getattr(self, "n_iter_", 0))
        started, done, resumable = trainer.epochs, 0, None
        if checkpoint is not None:
            resumable = Resumable(checkpoint, self, matrix, trainer, monitor, choice)
            done = resumable.resume()
        try:
            if continues and monitor is not None and not done:
                monitor.keep_if_best(trainer, monitor.score(trainer))
            trainer.train(
                self.iterations,
                show_progress,
                None if callback is None else self._shown_to(callback, trainer, matrix, choice),
                None if monitor is None else monitor.should_stop,
                done,
                None if resumable is None else resumable.write,
            )
            if monitor is not None:
                monitor.restore(trainer)
            if choice.popularity:
                trainer.keep_popularity()
            trainer.forget_unseen()
            if self.fold_in_users:
                sampler = trainer.sampler
                if monitor is not None and settings.sampler == "popularity":
                    # labels that were held out count again
                    sampler = settings.make_sampler(
                        matrix.shape[1], lambda: count_labels(matrix.indices, matrix.shape[1])
                    )
                group_size = last_group_size(settings, trainer.history)
                folder = FoldIn(settings, trainer.item_factors, sampler, group_size, threads)
                folder.users(matrix, threads, out=trainer.user_factors)
        except ModelFitError:
            # diverged: the model stays as it was
            raise
        except BaseException:
            if trainer.epochs > started and not trainer.has_exploded():
                trainer.forget_unseen()
                self._store(trainer, matrix, choice)
                warnings.warn(
                    f"training stopped early: the model holds what {trainer.epochs - started} of "
                    f"{self.iterations} epochs learned",
                    stacklevel=3,
                )
            raise
        self._store(trainer, matrix, choice)
        self._warn_of_what_was_learned(trainer, choice)
        if monitor is not None:
            self.best_iteration_ = monitor.best_epoch
        if checkpoint is not None:
            checkpoint.remove()

    def _warn_of_what_was_learned(self, trainer: Trainer, choice: Choice) -> None:
        """Say where nothing but popularity was learned, and what to change."""
        if choice.popularity:
            tried = max(score for name, score in choice.scores.items() if name != "popularity")
            warnings.warn(
                "popularity ranks the labels that a trial hid as high as anything that was "
                f"learned from the others (NDCG@10 {choice.scores['popularity']:.4f}, the best of "
                f"the factors {tried:.4f}), so the model ranks by popularity alone. More pairs a "
                "row or a label help; regularization=0.04 keeps the factors all the same",
                stacklevel=4,
            )
            return
        shares = trainer.history["factor_share"]
        if self.use_bias and len(shares) >= EPOCHS_TO_JUDGE and shares[-1] < SHARE_OF_COLLAPSE:
            penalty = max(
                trainer.settings.regularization_user, trainer.settings.regularization_positive
            )
            warnings.warn(
                f"the factors make up {shares[-1]:.1%} of the variance of an image's scores and "
                "the biases the rest, so all images get nearly the same labels: a penalty of "
                f"{penalty:g} is too large for these pairs. Lower regularization by a factor of 3 "
                "to 10, or leave it out",
                stacklevel=4,
            )

    def _factors_to_continue(self, matrix: csr_matrix) -> tuple[Floats, Floats]:
        """Return the factors there are, with new images and labels folded in."""
        users, items = self.user_factors, self.item_factors
        self._check_columns()
        old = (len(users), len(items))
        if matrix.shape[0] < old[0] or matrix.shape[1] < old[1]:
            raise ValueError(
                f"warm_start needs the images and labels that the model has: X has shape "
                f"{matrix.shape}, the model {old}. Pass all rows and columns, new ones last, or "
                "use warm_start=False"
            )
        known = matrix[:, : old[1]]
        if matrix.shape[0] > old[0]:
            users = np.concatenate([users, self._fold_in_rows(known[old[0] :])])
        if matrix.shape[1] > old[1]:
            new = np.arange(old[1], matrix.shape[1])
            label_users = transposed(matrix)[new]
            pairs = StoredPairs.of(known)
            items = np.concatenate([items, self._fold_in_labels(new, label_users, users, pairs)])
        return users, items

    def _try(
        self, matrix: csr_matrix, seed: int, threads: int, checkpoint: Checkpoint | None
    ) -> Choice:
        """Choose by a trial what the parameters leave open, if they do."""
        if self.compat == "released":
            return Choice()
        n_labels = matrix.shape[1]
        usual = self._settings(n_labels, Choice())
        own = (
            self.regularization_user, self.regularization_positive, self.regularization_negative
        )  # fmt: skip
        # a penalty that is given leaves nothing to try, and values say what is hidden is worth
        is_open = self.regularization is None and None in own and self.positive_sampling == "pairs"
        hardness = None
        if (
            (usual.sampler, usual.selection) == ("adaptive", "hardest")
            and self.candidates is None
            and self.rank_scale is None
        ):
            hardness = hardness_of(matrix, usual)
        stored = None if checkpoint is None else stored_choice(checkpoint)
        if stored is not None:
            return stored
        return choose(
            lambda choice: replace(
                self._settings(n_labels, choice),
                factors=min(MOST_FACTORS, self.factors),
                # few epochs come further from there
                init="spectral",
            ),
            matrix,
            self.iterations if is_open else 0,
            seed,
            threads,
            hardness=hardness,
            popularity=self.use_bias,
        )

    def _choice(self) -> Choice:
        """Return what the trial of the last `fit` chose, if there was one."""
        return Choice(**getattr(self, "trial_", {}))

    def _settings(self, n_labels: int, choice: Choice | None = None) -> Settings:
        """Resolve what the parameters leave open, by default as the trial of `fit` chose."""
        if choice is None:
            choice = self._choice()
        regularization = self.regularization
        if regularization is None:
            regularization = self._usual_penalty * choice.penalty

        def penalty(own: float | None) -> float:
            return regularization if own is None else own

        released = self.compat == "released"
        selection, candidates = self.selection, self.candidates
        if selection is None:
            selection = "hardest"
            if self.loss == "warp":
                selection = "violator"
            elif self.loss in ("softmax", "sgns") or candidates == 1 or released:
                selection = "first"
        growth = n_labels**0.44
        usual_candidates = max(2, int(growth / 4))
        hardness = 1.0
        if selection == "hardest" and candidates is None and self.rank_scale is None:
            hardness = choice.hardness
        if candidates is None:
            candidates = 1
            if selection in ("hardest", "group"):
                fewest = self.group_size if isinstance(self.group_size, Integral) else 2
                candidates = max(int(fewest), int(hardness * usual_candidates))
                if candidates == 1 and self.selection is None:
                    selection = "first"
                elif selection == "hardest":
                    candidates = max(2, candidates)
            elif self.loss == "softmax":
                candidates = max(2, int(growth / 2))
        rank_scale = self.rank_scale
        if rank_scale is None:
            rank_scale = 1.2 * n_labels**-0.2
            if hardness < 1:
                rank_scale *= hardness**-0.5
            elif selection in ("hardest", "group") or (selection, candidates) == ("first", 1):
                # the highest of few has to come from higher up to be as hard
                rank_scale *= (candidates / usual_candidates) ** (2 / 3)
            rank_scale = min(1.0, rank_scale)
        damped_steps = self.damped_steps
        if damped_steps is None:
            damped_steps = not released
        learning_rate = self.learning_rate
        if learning_rate is None:
            on_pairs = self.loss in ("hinge", "logistic", "warp") and not self.share_candidates
            on_pairs = on_pairs and (selection in ("hardest", "violator") or candidates == 1)
            if damped_steps:
                learning_rate = 0.2 if on_pairs else 0.05
            else:
                learning_rate = 0.02 if self.share_candidates else 0.08
            if self.loss == "softmax":
                learning_rate *= min(1.0, self.temperature)
        init = self.init
        if init is None:
            init = "spectral" if n_labels >= SPECTRAL_FROM and not released else "random"
        loss = self.loss
        if released and (loss, selection) == ("warp", "violator"):
            loss = "logistic"
        margin = self.margin
        if margin is None:
            margin = 0.0 if self.loss == "softmax" else 1.0
        return Settings(
            factors=self.factors,
            learning_rate=learning_rate,
            learning_rate_schedule=self.learning_rate_schedule,
            damped_steps=damped_steps,
            user_learning_rate_multiplier=(
                USUAL_MULTIPLIER
                if self.user_learning_rate_multiplier is None
                else self.user_learning_rate_multiplier
            ),
            pairs_of_full_steps=(
                PAIRS_OF_FULL_STEPS if self.user_learning_rate_multiplier is None else 0.0
            ),
            regularization_user=penalty(self.regularization_user),
            regularization_positive=penalty(self.regularization_positive),
            regularization_negative=penalty(self.regularization_negative),
            regularize_violating_only=self.regularize == "violating",
            sampler=self.sampler,
            rank_scale=rank_scale,
            popularity_exponent=self.popularity_exponent,
            refresh_interval=self.refresh_interval,
            selection=selection,
            candidates=candidates,
            share_candidates=self.share_candidates,
            group_size=self.group_size,
            max_trials=self.max_trials,
            loss=loss,
            margin=margin,
            temperature=self.temperature,
            corrected=self.proposal_correction,
            positive_sampling="images" if released else self.positive_sampling,
            use_bias=self.use_bias,
            cosine=self.cosine,
            verify_negative_samples=self.verify_negative_samples,
            init=init,
            init_scale=self.init_scale,
            released=released,
        )

    def _shown_to(
        self, callback: EpochCallback, trainer: Trainer, matrix: csr_matrix, choice: Choice
    ) -> EpochCallback:
        """Make a callback that finds in the model what was learned so far."""
        pairs = StoredPairs.of(matrix)

        def call(epoch: int, elapsed: float, correct: int, skipped: int) -> None:
            before = dict(self.__dict__)
            users, items = trainer.factors()
            self._remember(
                pairs,
                _user_factors=users.astype(self.dtype),
                _item_factors=items.astype(self.dtype),
                history_={name: list(values) for name, values in trainer.history.items()},
                n_iter_=trainer.epochs,
                trial_=choice._asdict(),
            )
            shown = [name for name, value in vars(self).items() if before.get(name) is not value]
            try:
                callback(epoch, elapsed, correct, skipped)
            finally:
                # what the callback itself has set stays
                for name in shown:
                    if name not in before:
                        self.__dict__.pop(name, None)
                self.__dict__.update({name: before[name] for name in shown if name in before})

        return call

    def _store(self, trainer: Trainer, matrix: csr_matrix, choice: Choice) -> None:
        users, items = trainer.take_factors(np.dtype(self.dtype))
        self._remember(
            StoredPairs.of(matrix),
            _user_factors=users,
            _item_factors=items,
            history_=trainer.history,
            n_iter_=trainer.epochs,
            trial_=choice._asdict(),
        )
        self.__dict__.pop("best_iteration_", None)

    def transform(self, X: MatrixLike) -> Floats:
        """Compute the factors of images from their labels, with the factors of labels fixed.

        Runs the training's own steps on the labels of an image, for the image's factors alone:
        about 96, in whole passes over its labels, of which there are 8 at least. The first is
        Newton's step on the logistic loss, as it would be if negatives were normal around their
        mean; the size of the others follows from the spread of the labels' factors, and is smaller
        for images of more than 32 labels. The result is the mean after each pass of the later half.
        The random numbers are keyed by the labels of the image, so the result for an image depends
        on them and on nothing else: not on its row number, the other rows or the number of threads.

        Parameters
        ----------
        X : sparse matrix or array-like of shape (n_images, n_labels)
            The labels of the images (values > 0). They need not be images of `fit`.

        Returns
        -------
        ndarray of shape (n_images, factors + use_bias)
            Factors, of the type `dtype`. Those of images without a label are zero, but for the 1
            of the bias, so that labels rank by their biases.

        Raises
        ------
        ValueError
            `X` is not a 2-d matrix of finite values >= 0 with n_labels columns.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> matrix = load_emoji().matrix
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(matrix[100:], show_progress=False)
        >>> new = model.transform(matrix[:100])
        >>> new.shape, bool((new[:3] == model.transform(matrix[:3])).all())
        ((100, 9), True)
        """
        check_is_fitted(self)
        return self._fold_in_rows(_validation.check_new_rows(self, X))

    def score(self, X: MatrixLike, y: MatrixLike | None = None) -> float:
        """Measure how high held-out labels rank: NDCG@10 over all labels that an image lacks.

        Parameters
        ----------
        X : sparse matrix or array-like of shape (n_images, n_labels)
            The labels that are known of the images (values > 0). Where this is the matrix of the
            fit, the learned factors are used, otherwise those of `transform`.
        y : sparse matrix or array-like of shape (n_images, n_labels), optional
            The labels held out of `X`. Without a matrix here, each image hides one label, chosen by
            a hash of its labels, and is folded in from the rest; images with fewer than
            two labels are left out.

        Returns
        -------
        float
            The mean over the images with a held-out label.

        Raises
        ------
        ValueError
            Shapes do not agree, or there is nothing to hold out.

        See Also
        --------
        vseens_rec.metrics.ranking_scorer : The same with other measures.

        Examples
        --------
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> from vseens_rec.model_selection import leave_one_out_split
        >>> train, held_out = leave_one_out_split(load_emoji().matrix, random_state=0)
        >>> model = VSEens(factors=8, iterations=10, random_state=0, num_threads=1)
        >>> model.fit(train, show_progress=False).score(train, held_out) > 0.05
        True
        """
        check_is_fitted(self)
        _validation.check_features(self, X)
        return held_out_metrics(self, X, y, ["ndcg@10"])["ndcg@10"]

    def factors_of(self, matrix: csr_matrix, rows: NDArray[np.integer[Any]]) -> Floats:
        """Return the factors of some rows of a matrix: learned, if the fit was on these pairs.

        `score` and `vseens_rec.metrics.ranking_scorer` ask this of a model.

        Parameters
        ----------
        matrix : csr_matrix of shape (n_images, n_labels)
            Canonical: sorted, without duplicates, every stored value > 0.
        rows : ndarray of int
            Rows whose factors are wanted.

        Returns
        -------
        ndarray of shape (len(rows), factors + use_bias)
            The learned factors, or those of `transform` for a matrix with other pairs. The values
            are not compared, as a model does not keep them.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> X = load_emoji().matrix
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(X, show_progress=False)
        >>> factors = model.factors_of(X, np.array([3, 5]))
        >>> bool((factors == model.user_factors[[3, 5]]).all())
        True
        """
        pairs: StoredPairs | None = self.__dict__.get("_pairs")
        if pairs is not None and matrix.shape[0] == len(self.user_factors) == len(pairs):
            indptr, indices = pairs.arrays()
            if np.array_equal(matrix.indptr, indptr) and np.array_equal(matrix.indices, indices):
                learned: Floats = self.user_factors[rows]
                return learned
        return self._fold_in_rows(matrix[rows])

    @property
    def _n_features_out(self) -> int:
        columns: int = self.item_factors.shape[1]
        return columns

    def _fold_in_rows(self, matrix: csr_matrix) -> Floats:
        if matrix.shape[1] != len(self.item_factors):
            raise ValueError(
                f"the images have {matrix.shape[1]} labels (columns), but the model has "
                f"{len(self.item_factors)}"
            )
        threads = 1
        if (
            self.num_threads < 0
            or matrix.nnz + LEAST_STEPS * matrix.shape[0] > MIN_PAIRS_PER_THREAD
        ):
            threads = effective_threads(self.num_threads)
        folded = self._folder().users(matrix, threads)
        return folded.astype(self.item_factors.dtype, copy=False)

    def _folder(self) -> FoldIn:
        """Return tables for the factors as they are now, which can be set or changed in place."""
        self._check_columns()
        settings = self._settings(len(self.item_factors))
        factors = self.item_factors
        # what is popular follows from the pairs
        pairs = self.__dict__.get("_pairs") if settings.sampler == "popularity" else None
        group_size = last_group_size(settings, self._history())
        folder = _folders.get(factors)
        if folder is None or not folder.agrees_with(settings, factors, group_size, pairs):
            _validation.check_parameters(self)
            _validation.check_combination(settings)
            folder = FoldIn(
                settings,
                padded(factors, copy=True),
                settings.make_sampler(len(factors), self._label_counts),
                group_size,
                effective_threads(self.num_threads),
                pairs,
            )
            _folders.put(factors, folder)
        return folder

    def _history(self) -> History:
        """Return what the epochs recorded, nothing of factors that were set by hand."""
        history: History = getattr(self, "history_", {})
        return history

    def _expected_columns(self) -> int:
        """Count the columns of factors that the parameters make."""
        return int(self.factors) + bool(self.use_bias)

    def _check_columns(self) -> None:
        columns = self._expected_columns()
        shapes = (self.user_factors.shape[1], self.item_factors.shape[1])
        if shapes != (columns, columns):
            raise ValueError(
                f"the model has factors of {shapes[0]} (images) and {shapes[1]} (labels) columns, "
                f"but factors={self.factors} and use_bias={self.use_bias} make {columns}: set "
                "these parameters as they were in fit, or fit anew"
            )

    def _label_counts(self) -> NDArray[np.int64]:
        if "_pairs" not in self.__dict__:
            raise ValueError(
                "sampler='popularity' needs to know how many images have each label, but this "
                "model was saved without the fitted matrix: save it with fitted_matrix=True"
            )
        counts = count_labels(self._pairs.arrays()[1], len(self.item_factors))
        # without any image all labels are as popular
        return counts if counts.any() else np.ones_like(counts)

    def recalculate_user(self, userid: IdsLike, user_items: MatrixLike) -> Floats:
        """Compute factors of images from their labels, without changing the model.

        Parameters
        ----------
        userid : int or array-like of int of shape (n,)
            Row numbers; they have no influence on the result.
        user_items : sparse matrix of shape (1 or n, n_labels)
            The labels of each image.

        Returns
        -------
        ndarray of shape (factors + use_bias,) or (n, factors + use_bias)
            As by `transform`.

        Raises
        ------
        ValueError
            `user_items` has the wrong shape or negative values.

        Examples
        --------
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> X = load_emoji().matrix
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(X, show_progress=False)
        >>> factors = model.recalculate_user(0, X[25])
        >>> factors.shape, bool((factors == model.transform(X[25])[0]).all())
        ((9,), True)
        """
        self._check_fitted()
        userid = _validation.check_ids(userid, np.iinfo(np.int32).max, "userid", "images")
        n_rows = 1 if isinstance(userid, int) else len(userid)
        n_labels = len(self.item_factors)
        rows = _validation.check_canonical_rows(
            user_items, n_rows, n_labels, "recalculate_user", model=self
        )
        factors = self._fold_in_rows(rows)
        return factors[0] if isinstance(userid, int) else factors

    def recalculate_item(self, itemid: IdsLike, item_users: MatrixLike) -> Floats:
        """Compute factors of labels from the images that have them, without changing the model.

        As in the training, a label is compared as the positive of each of its images, with labels
        drawn for the image, and as a negative of other images, as often as the sampler would draw
        it; the images' factors are fixed. The random numbers are keyed by the label's
        images, so the result for a label depends on those alone.

        Parameters
        ----------
        itemid : int or array-like of int of shape (n,)
            Column numbers. A label that the model has is not compared with itself.
        item_users : sparse matrix of shape (1 or n, n_images)
            The images that have each label.

        Returns
        -------
        ndarray of shape (factors + use_bias,) or (n, factors + use_bias)
            Factors; zero for a label that no image has.

        Raises
        ------
        ValueError
            `item_users` has the wrong shape or negative values, or the model was saved without
            the fitted matrix.

        Examples
        --------
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> X = load_emoji().matrix
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(X, show_progress=False)
        >>> model.recalculate_item([7, 9], X.T.tocsr()[[7, 9]]).shape
        (2, 9)
        """
        check_is_fitted(self)
        ids, rows = self._labels_and_images(itemid, item_users, "recalculate_item")
        factors = self._fold_in_labels(ids, rows, self.user_factors, self._known())
        return factors[0] if np.ndim(itemid) == 0 else factors

    def partial_fit_users(self, userids: IdsLike, user_items: MatrixLike) -> None:
        """Set the factors of images, new ones or such whose labels changed, by fold-in.

        A call costs what its images do; now and then one copies the model's arrays to where there
        is room for more. Neither a copy of the model nor an array that was taken from it changes.

        Parameters
        ----------
        userids : int or array-like of int of shape (n,)
            Row numbers, each once. The model grows to hold the largest; images in between that
            are not given have no labels.
        user_items : sparse matrix of shape (n, n_labels)
            All labels of each image. They take the place of those that the model remembers, which
            `recommend` filters.

        Raises
        ------
        ValueError
            A number comes twice, or `user_items` has the wrong shape or negative values.

        Examples
        --------
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> X = load_emoji().matrix
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(X, show_progress=False)
        >>> model.partial_fit_users([1881, 1882], X[:2])
        >>> model.user_factors.shape
        (1883, 9)
        """
        self._check_fitted()
        ids = np.atleast_1d(
            _validation.check_ids(userids, np.iinfo(np.int32).max, "userids", "images")
        )
        _validation.check_unique(ids, "userids")
        n_labels = len(self.item_factors)
        rows = _validation.check_canonical_rows(
            user_items, len(ids), n_labels, "partial_fit_users", model=self
        )
        folded = self._fold_in_rows(rows)
        # new images are written behind the others, and others copied where somebody has them
        in_place = is_unshared(self.__dict__, "_user_factors")
        users, n_rows = self.user_factors, int(ids.max(initial=-1)) + 1
        if n_rows - len(users) > (ids >= len(users)).sum():
            # images in between that are not given
            users = grown(users, n_rows, self._fold_in_rows(csr_matrix((1, n_labels))))
        pairs: StoredPairs | None = self.__dict__.get("_pairs")
        if pairs is not None:
            self._check_pairs(pairs)
        users = replaced(users, ids, folded, in_place=in_place)
        if pairs is not None:
            self._remember(pairs.with_rows(ids, rows), _user_factors=users)
        else:
            self.user_factors = users

    def partial_fit_items(self, itemids: IdsLike, item_users: MatrixLike) -> None:
        """Set the factors of labels, new ones or such whose images changed, by fold-in.

        Parameters
        ----------
        itemids : int or array-like of int of shape (n,)
            Column numbers, each once. The model grows to hold the largest; labels in between
            that are not given have factors of zero.
        item_users : sparse matrix of shape (n, n_images)
            All images that have each label. They take the place of those that the model remembers.

        Raises
        ------
        ValueError
            A number comes twice, `item_users` has the wrong shape or negative values, or the model
            was saved without the fitted matrix.

        Examples
        --------
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> X = load_emoji().matrix
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(X, show_progress=False)
        >>> model.partial_fit_items(1151, X.T.tocsr()[[7]])
        >>> model.item_factors.shape, model.n_features_in_
        ((1152, 9), 1152)
        """
        check_is_fitted(self)
        ids, rows = self._labels_and_images(itemids, item_users, "partial_fit_items", "itemids")
        _validation.check_unique(ids, "itemids")
        folded = self._fold_in_labels(ids, rows, self.user_factors, self._known())
        n_labels = len(self.item_factors)
        items = replaced(self.item_factors, ids, folded)
        grows = len(items) > n_labels
        self._remember(
            self._pairs.with_columns(ids, rows, n_labels),
            _item_factors=items,
            n_features_in_=len(items),
        )
        if grows:
            frames.forget_columns(self)

    def _labels_and_images(
        self, itemid: IdsLike, item_users: MatrixLike, name: str, argument: str = "itemid"
    ) -> tuple[NDArray[np.int64], csr_matrix]:
        ids = np.atleast_1d(
            _validation.check_ids(itemid, _validation.MAX_LABELS, argument, "labels")
        )
        rows = _validation.check_canonical_rows(
            item_users, len(ids), len(self.user_factors), name, "item_users", "images"
        )
        return ids, rows

    def _fold_in_labels(
        self, ids: NDArray[np.int64], item_users: csr_matrix, users: Floats, known: StoredPairs
    ) -> Floats:
        trials = self._history().get("trials")
        with limit_blas(self.num_threads):
            folded = self._folder().items(
                item_users,
                ids,
                users,
                known,
                trials[-1] if trials else 1.0,
                effective_threads(self.num_threads),
            )
        return folded[:, : users.shape[1]].astype(self.item_factors.dtype)

    def save(self, file: PathLike | BinaryFile, *, fitted_matrix: bool = True) -> None:
        """Save the model in a file that `load` reads, replacing it only when it is whole.

        Parameters
        ----------
        file : str, path-like or binary file object
            A name without the suffix ``.npz`` gets it.
        fitted_matrix : bool, default=True
            Keep which labels every image has. Without, `recommend` needs ``user_items``, and
            labels cannot be folded in.

        Examples
        --------
        >>> import io
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> X = load_emoji().matrix
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(X, show_progress=False)
        >>> file = io.BytesIO()
        >>> model.save(file)
        >>> bool((VSEens.load(file).item_factors == model.item_factors).all())
        True
        """
        persistence.save(self, file, fitted_matrix=fitted_matrix)

    @classmethod
    def load(cls, fileobj_or_path: PathLike | BinaryFile, *, mmap_mode: MmapMode = None) -> "Self":
        """Load a model that `save` wrote. No code from the file is run.

        Parameters
        ----------
        fileobj_or_path : str, path-like or binary file object
            The file; a name without the suffix ``.npz`` gets it.
        mmap_mode : {"c"} or None, default=None
            Map the arrays into memory in place of reading them, so that processes which load the
            same file share it; changes stay in the process. Needs a path, and the file must
            stay.

        Returns
        -------
        VSEens
            A model that gives the same recommendations.

        Raises
        ------
        ValueError
            The file is not one that `save` wrote for this class, or is damaged.
        FileNotFoundError
            There is no such file.

        Examples
        --------
        >>> import os, tempfile
        >>> from vseens_rec import VSEens
        >>> path = os.path.join(tempfile.mkdtemp(), "model.npz")
        >>> VSEens(factors=8).save(path)
        >>> VSEens.load(path)
        VSEens(factors=8)
        """
        return persistence.load(cls, fileobj_or_path, mmap_mode)
