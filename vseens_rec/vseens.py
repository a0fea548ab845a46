"""VSEens: the estimator."""

import warnings
from contextlib import closing
from functools import cache
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from implicit.recommender_base import ModelFitError
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import csr_matrix
from sklearn.utils._param_validation import Interval, InvalidParameterError, StrOptions

from . import _validation
from ._native import MIN_PAIRS_PER_THREAD, effective_threads, limit_blas
from ._typing import EpochCallback, Floats, History, RandomStateLike
from .choices import (
    Adaptive,
    EarlyStopping,
    Exact,
    FeatureMap,
    ItemItem,
    Loss,
    Penalty,
    Random,
    Sampler,
    Selection,
    Start,
)
from .choices.base import Choice, constraint
from .engine.course import Course
from .engine.features import Features, MapInTraining
from .engine.fold_in import LEAST_STEPS, FoldIn
from .engine.group_size import last_group_size
from .engine.interactions import Interactions
from .engine.item_item import ItemItemWeights
from .engine.item_item_part import item_item_of
from .engine.label_fold_in import LabelFoldIn
from .engine.padding import padded
from .engine.samplers import sampler_of
from .engine.settings import (
    Facts,
    Settings,
    TrialResult,
    Usual,
    check,
    early_stopping_of,
    hardness_by_counts,
    leaves_penalty_open,
    resolve,
)
from .engine.stored_pairs import StoredPairs
from .engine.trainer import Trainer
from .engine.updates import ArrayNotes, transposed
from .estimator import LinearRecommender
from .files.checkpoints import Checkpoint, Resumable, stored_result
from .files.models import ModelState
from .image_features import check_width

if TYPE_CHECKING:
    from typing_extensions import Self

# with less of the variance of scores after so many epochs, factors do not tell images apart
SHARE_OF_COLLAPSE = 0.02
EPOCHS_TO_JUDGE = 10
# what fold-in needs of the labels' factors, made at its first use; copies of a model share it
_folders: ArrayNotes[FoldIn] = ArrayNotes()


class VSEens(LinearRecommender):
    """Matrix factorisation that learns to rank with adaptively sampled negatives.

    Every positive pair of an image (user, row) and a label (item, column) is compared with
    labels the image does not have, and the factors move so that the positive scores higher
    (stochastic gradient descent). The ``"adaptive"`` sampler draws the labels that the model
    ranks high now, at a cost that does not depend on the number of labels (VSE-ens [1]_).

    A parameter that takes a name also takes an object of `vseens_rec.choices`, which has the
    settings of that choice: ``sampler=Adaptive(rank_scale=0.1)``.

    Parameters
    ----------
    factors : int, default=128
        Number of latent factors.
    learning_rate : float or None, default=None
        Step size of the labels, and of the images if multiplied. None: 0.2 for steps on one
        positive and one negative, 0.05 for those on several, both damped (see `damped_steps`).
        Where steps are not damped, they can overshoot until the factors are infinite, and None is
        0.08. For ``"softmax"`` all of them are multiplied by its temperature if that is below 1.
    regularization : float, Penalty or None, default=None
        L2 penalty of the three factor rows of a triplet; `Penalty` has one for each. None: 0.04, or
        what a trial finds better for this matrix. In the trial a fifth of the labels of at most
        2,000 images are hidden, a few short trainings with at most 64 factors learn from the rest,
        and the hidden labels are ranked. It takes a third of the penalty where that ranks 5 %
        higher, as it does for images of many labels: the penalty counts once for every pair, so
        that it shrinks the factors of long rows until little but the biases is left. It takes fewer
        candidates over more ranks where that ranks 5 % higher, if `candidates` and the sampler's
        ``rank_scale`` are open as well. Where nothing ranks above popularity, the model ends as
        popularity, with a warning. `trial_` has what was found. A number here leaves the trial out.
        So do fewer than 20 `iterations`, fewer than 100 images of two labels or more, and a
        `positive_sampling` other than ``"pairs"``. Where images have features, None is a tenth of
        that for labels, and for images 0.5, once for every visit to one in place of every pair, on
        what they learn beside their features.
    iterations : int, default=50
        Number of epochs: each trains on as many positives as there are stored pairs.
    sampler : {"adaptive", "uniform", "popularity", "exact"} or Sampler, default="adaptive"
        Where candidates are drawn from: `Adaptive` (labels that rank high by a factor that counts
        for the image), `Uniform` (all labels alike), `ByPopularity` (in proportion to a power of
        the number of images that have the label) or `Exact` (labels that rank high, by scoring
        them all; slow, to check and to compare).
    selection : {"first", "hardest", "group", "violator"}, Selection or None, default=None
        Which of the candidates become negatives: `First` (all), `Hardest` (the one that scores
        highest), `Group` (some that score highest) or `Violator` (candidates are drawn until one
        scores within the margin of the positive). None: as the loss needs it, ``"violator"`` for
        ``"warp"``, ``"first"`` for ``"softmax"`` and ``"sgns"`` and where ``candidates=1``, else
        ``"hardest"``.
    candidates : int or None, default=None
        Labels drawn for a positive. None: for ``"hardest"`` and ``"group"`` as many as a fourth of
        ``n_labels ** 0.44``, rounded down, 2 at least (5 of 1,000 labels, 39 of 100,000), so that
        negatives are harder where there are more labels to choose from; for ``"softmax"`` as many
        as half of that power, 2 at least (10 of 1,000 labels); else 1. Where the sampler's
        ``rank_scale`` is None too, ``"hardest"`` takes fewer for images of many labels, which have
        many more that are true but not stored: so few that negatives come from behind as many ranks
        as the image of a mean pair has labels.
    loss : {"logistic", "hinge", "warp", "softmax", "sgns"} or Loss, default="logistic"
        What a positive and its negatives cost: `Logistic` or `Hinge` (of a positive and one
        negative, averaged over several), `Warp` (the hinge, weighted by an estimate of the rank),
        `Softmax` or `SkipGramNegative` (of a positive and all negatives together).
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
        ``"sgns"``, ``"group"``): slopes are divided by ``1 + k c``, where c takes the squared
        lengths of the rows in place of their distances and k is the most that the loss is curved,
        ``1 / (4 temperature ** 2)`` for ``"softmax"``, ``1 / (4 margin)`` for the hinge, else 1/4.
        None: True, but for `ReleasedVSEens`, whose code has no damping.
    user_learning_rate_multiplier : float or None, default=None
        How many times larger the steps of the images are: an image has few positives, a label has
        those of many images. None: 8 for images of up to 6 labels, and in inverse proportion to
        their number for those of more, so that an epoch moves every image as far.
    use_bias : bool, default=True
        Learn a bias for every label, as an extra last column of the factors in which the image's
        side is 1.
    cosine : bool, default=False
        Keep every factor row at length 1, so that scores are cosines. Needs ``use_bias=False``.
    verify_negative_samples : bool, default=True
        Never use a positive of the image as a negative.
    init : {"spectral", "random"}, Spectral, Random or None, default=None
        Where `fit` starts from, unless it goes on (`warm_start`): `Spectral` (labels that appear
        together near each other) or `Random`. None: ``"spectral"`` with 500 labels or more, with
        fewer ``"random"``, which ranks higher there after many iterations.
    fold_in_users : bool, default=True
        End `fit` with the factors that `transform` gives for every image: computed anew from its
        labels with the labels' factors fixed, which ranks better than the factors left by the
        training, most of all after few iterations. Otherwise those are kept.
    item_item : {"auto", "dense", "sparse"}, ItemItem or None, default="auto"
        Add to the scores by factors what the labels say that an image has: weights between labels,
        solved for beside the training (`DenseItemItem`: by one inverse; `SparseItemItem`: for many
        labels; ``"auto"``: by their number, and neither for fewer than 20 `iterations`). Both parts
        are weighed by labels that are hidden of up to 2,000 images in the first four fifths of the
        epochs. `recommend`, `score`, the measures and `explain` use both; the factors alone are
        what `transform`, `similar_items` and `similar_users` use. None, and where hidden labels
        rank no higher with it: factors alone.
    features : FeatureMap or None, default=None
        How the features that `fit` gets as ``image_features`` are mapped to factors. None: as
        `FeatureMap` does by default.
    warm_start : bool, default=False
        Let `fit` go on from the factors that the model has. The matrix may have more images and
        labels than before: images and labels keep their numbers, and new ones start from
        factors that are folded in.
    early_stopping : bool or EarlyStopping, default=False
        Hold out one label of some images, watch how it ranks after every epoch, stop when that
        no longer improves, and return to the factors that were best. `EarlyStopping` has how many,
        by what measure and for how long.
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
    feature_factors : ndarray of shape (n_features, factors + use_bias) or None
        What maps features of images to factors; None where `fit` got none.
    history_ : dict of str to list of float
        One value an epoch: ``loss`` (mean of a positive), ``violations`` (share of positives
        whose negative scored within the margin of the hinge, or, with other losses, higher),
        ``trials`` (mean number of candidates drawn for a positive), ``factor_share`` (what part of
        the variance of an image's scores comes from the factors, the rest being that of the biases;
        `fit` warns where it is below 2 % in the end) and ``seconds``; with
        `early_stopping` also ``validation``, the measure it watches, and with
        ``Group(size="auto")`` also ``group_size``, the number that was kept.
    trial_ : dict
        What counts and the trial of `regularization` chose: ``penalty`` and ``hardness``, as many
        times as the usual penalty and the usual `candidates`; ``popularity``, whether that is all
        there is; ``scores``, the NDCG@10 of hidden labels by what was tried; and ``item_item``, the
        weight of that part, 0 without.
    n_iter_ : int
        Number of finished epochs, those before a warm start included.
    best_iteration_ : int
        With `early_stopping`: the number of epochs after which the factors were best.
    n_features_in_ : int
        Number of labels.

    See Also
    --------
    implicit.bpr.BayesianPersonalizedRanking : The interface this class follows.
    vseens_rec.choices : The choices that have settings of their own.

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

    _takes_features = True
    # what None means, where a preset has something else
    _usual = Usual()
    # choices that a preset keeps to one kind, by the parameter
    _kinds: ClassVar[dict[str, type[Choice]]] = {}

    _parameter_constraints: ClassVar[dict[str, list[Any] | str]] = {
        **LinearRecommender._parameter_constraints,
        "factors": [Interval(Integral, 1, 2**16, closed="both")],
        "learning_rate": [Interval(Real, 0, None, closed="left"), None],
        "regularization": [Interval(Real, 0, None, closed="left"), Penalty, None],
        "iterations": [Interval(Integral, 0, None, closed="left")],
        "sampler": constraint(Sampler),
        "selection": [*constraint(Selection), None],
        "candidates": [Interval(Integral, 1, 2**16, closed="both"), None],
        "loss": constraint(Loss),
        "positive_sampling": [StrOptions({"pairs", "images", "weighted"})],
        "learning_rate_schedule": [StrOptions({"constant", "linear"})],
        "damped_steps": ["boolean", None],
        "user_learning_rate_multiplier": [Interval(Real, 0, None, closed="left"), None],
        "use_bias": ["boolean"],
        "cosine": ["boolean"],
        "verify_negative_samples": ["boolean"],
        "init": [*constraint(Start), None],
        "fold_in_users": ["boolean"],
        "item_item": [StrOptions({"auto", "dense", "sparse"}), ItemItem, None],
        "features": [FeatureMap, None],
        "warm_start": ["boolean"],
        "early_stopping": ["boolean", EarlyStopping],
        "random_state": ["random_state", np.random.Generator],
    }

    def __init__(
        self,
        factors: int = 128,
        learning_rate: float | None = None,
        regularization: float | Penalty | None = None,
        iterations: int = 50,
        *,
        sampler: str | Sampler = "adaptive",
        selection: str | Selection | None = None,
        candidates: int | None = None,
        loss: str | Loss = "logistic",
        positive_sampling: str = "pairs",
        learning_rate_schedule: str = "linear",
        damped_steps: bool | None = None,
        user_learning_rate_multiplier: float | None = None,
        use_bias: bool = True,
        cosine: bool = False,
        verify_negative_samples: bool = True,
        init: str | Start | None = None,
        fold_in_users: bool = True,
        item_item: str | ItemItem | None = "auto",
        features: FeatureMap | None = None,
        warm_start: bool = False,
        early_stopping: bool | EarlyStopping = False,
        dtype: DTypeLike = np.float32,
        num_threads: int = 0,
        random_state: RandomStateLike = None,
    ):
        self.factors = factors
        self.learning_rate = learning_rate
        self.regularization = regularization
        self.iterations = iterations
        self.sampler = sampler
        self.selection = selection
        self.candidates = candidates
        self.loss = loss
        self.positive_sampling = positive_sampling
        self.learning_rate_schedule = learning_rate_schedule
        self.damped_steps = damped_steps
        self.user_learning_rate_multiplier = user_learning_rate_multiplier
        self.use_bias = use_bias
        self.cosine = cosine
        self.verify_negative_samples = verify_negative_samples
        self.init = init
        self.fold_in_users = fold_in_users
        self.item_item = item_item
        self.features = features
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.dtype = dtype
        self.num_threads = num_threads
        self.random_state = random_state

    @classmethod
    def for_annotation(cls, **parameters: Any) -> "Self":
        """Make a model for images of which features alone are known; any parameter can be given.

        Its map of features has to do without labels of an image: the loss is the softmax over 50
        uniform negatives, labels have hardly a penalty, and what images learn beside the map has a
        large one. There is no item-item part. It is what `LabelAnnotator` learns with by default.

        Parameters
        ----------
        **parameters
            Parameters of the class that take the place of these.

        Returns
        -------
        VSEens
            Not fitted.

        Raises
        ------
        TypeError
            The class has no parameter of that name.

        Examples
        --------
        >>> from vseens_rec import VSEens
        >>> VSEens.for_annotation(random_state=0).candidates
        50
        """
        setting: dict[str, Any] = {
            "loss": "softmax",
            "sampler": "uniform",
            "candidates": 50,
            "regularization": Penalty(user=1.0, positive=0.001, negative=0.001),
            "item_item": None,
        }
        return cls(**setting | parameters)

    @classmethod
    def paper(cls, *, rank_scale: float = 0.01, **parameters: Any) -> "Self":
        """Make a model with the setting of the paper; any parameter can be given anew.

        The paper uses 100 factors, a learning rate and an L2 penalty of 0.01, initial factors
        from a normal distribution with standard deviation 0.01, the hinge loss and no bias, keeps
        the image factors of the training, and tunes ``rank_scale`` (its lambda) between 0.001
        and 1 for every data set.

        Parameters
        ----------
        rank_scale : float, default=0.01
            Of the sampler of a class whose sampler draws by rank.
        **parameters
            Parameters of the class that take the place of the paper's.

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
        >>> model.loss, model.use_bias, model.sampler
        ('hinge', False, Adaptive(rank_scale=0.1, refresh_interval=1.0))
        """
        setting: dict[str, Any] = {
            "factors": 100,
            "learning_rate": 0.01,
            "regularization": 0.01,
            "sampler": Adaptive(rank_scale, refresh_interval=1.0),
            "selection": "first",
            "learning_rate_schedule": "constant",
            "damped_steps": False,
            "user_learning_rate_multiplier": 1.0,
            "iterations": 100,
            "loss": "hinge",
            "use_bias": False,
            "init": Random(scale=0.01),
            "fold_in_users": False,
            "item_item": None,
        }
        kinds = cls._kinds
        if kinds.get("sampler") is Exact:
            setting["sampler"] = Exact(rank_scale)
        own = cls._get_param_names()
        setting = {
            name: value
            for name, value in setting.items()
            if name in own and (name not in kinds or _is_of_kind(value, kinds[name]))
        }
        return cls(**setting | parameters)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for name, kind in self._kinds.items():
            given = getattr(self, name)
            if given is not None and not _is_of_kind(given, kind):
                raise InvalidParameterError(
                    f"The {name!r} parameter of {type(self).__name__} must be {kind.name!r} or a "
                    f"{kind.__name__}, which make the method what it is. Got {given!r} instead; "
                    f"use VSEens({name}={given!r})."
                )

    def _learn(
        self,
        matrix: csr_matrix,
        show_progress: bool,
        callback: EpochCallback | None,
        checkpoint: Checkpoint | None,
        features: Features | None,
    ) -> None:
        n_labels = matrix.shape[1]
        if self.features is not None and features is None:
            raise ValueError(
                f"features={self.features!r} says how features are mapped, but fit got none: "
                "pass image_features=, or use features=None"
            )
        check(settings_of(self, n_labels, TrialResult(), features is not None))
        course = Course(
            matrix,
            _validation.seed_from(self.random_state),
            effective_threads(self.num_threads),
            stopping=early_stopping_of(self._parameters()),
            fold_in=self.fold_in_users,
            item_item=item_item_of(self.item_item, n_labels, self.iterations),
            show_progress=show_progress,
            popularity=self._popularity(matrix),
            features=features,
        )
        with closing(course):
            # factors of zero, with which popularity is all there is, have no direction to go on in
            continues = (
                self.warm_start and self.__sklearn_is_fitted__() and not self._found().popularity
            )
            course.found = self._found() if continues else self._try(course, checkpoint)
            initial = self._factors_to_continue(course) if continues else None
            settings = settings_of(self, n_labels, course.found, features is not None)
            initial_map = None
            if continues and self._feature_map is not None:
                initial_map = MapInTraining.of(self._feature_map)
            trainer = course.start(settings, initial, self.iterations, initial_map)
            if continues:
                # factors set by hand have no epochs
                trainer.continue_history(self._history(), getattr(self, "n_iter_", 0))
            started, done, resumable = trainer.epochs, 0, None
            if checkpoint is not None:
                described = ModelState(type(self).__name__, self.get_params(deep=False))
                resumable = Resumable(
                    checkpoint, described, matrix, trainer, course.monitor, lambda: course.found
                )
                done = resumable.resume()
            try:
                if continues and course.monitor is not None and not done:
                    course.monitor.keep_if_best(trainer, course.monitor.score(trainer))
                course.run(
                    trainer,
                    self.iterations,
                    None if callback is None else self._shown_to(callback, trainer, course),
                    None if resumable is None else resumable.write,
                    done,
                )
                course.finish(trainer)
                item_item = course.item_item_weights()
            except ModelFitError:
                # diverged: the model stays as it was
                raise
            except BaseException:
                if trainer.epochs > started and not trainer.has_exploded():
                    trainer.forget_unseen()
                    self._store(trainer, matrix, course.found)
                    warnings.warn(
                        f"training stopped early: the model holds what {trainer.epochs - started} "
                        f"of {self.iterations} epochs learned",
                        stacklevel=3,
                    )
                raise
        self._store(trainer, matrix, course.found, item_item)
        self._warn_of_what_was_learned(trainer, course.found)
        left_out = course.part is None and not course.found.popularity
        if self.item_item not in (None, "auto") and left_out:
            self._warn_of_no_item_item_part()
        if course.monitor is not None:
            self.best_iteration_ = course.monitor.best_epoch
        if checkpoint is not None:
            checkpoint.remove()

    def _warn_of_no_item_item_part(self) -> None:
        """Say that a part which was asked for is missing, and how to have it."""
        kind = "SparseItemItem" if self.item_item == "sparse" else "DenseItemItem"
        if isinstance(self.item_item, ItemItem):
            kind = type(self.item_item).__name__
        warnings.warn(
            f"item_item={self.item_item!r} is left out, since nothing tells its weight: that takes "
            "a fit that does not go on from another, 100 images of two labels or more, and 2 "
            f"iterations. Pass {kind}(weight=...) to have it all the same",
            stacklevel=4,
        )

    def _warn_of_what_was_learned(self, trainer: Trainer, found: TrialResult) -> None:
        """Say where nothing but popularity was learned, and what to change."""
        if found.popularity:
            tried = max(score for name, score in found.scores.items() if name != "popularity")
            warnings.warn(
                "popularity ranks the labels that a trial hid as high as anything that was "
                f"learned from the others (NDCG@10 {found.scores['popularity']:.4f}, the best of "
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

    def _factors_to_continue(self, course: Course) -> tuple[Floats, Floats]:
        """Return the factors there are, with new images and labels folded in."""
        matrix, users, items = course.known, self.user_factors, self.item_factors
        self._check_columns()
        old = (len(users), len(items))
        if matrix.shape[0] < old[0] or matrix.shape[1] < old[1]:
            raise ValueError(
                f"warm_start needs the images and labels that the model has: X has shape "
                f"{matrix.shape}, the model {old}. Pass all rows and columns, new ones last, or "
                "use warm_start=False"
            )
        features = course.features
        if (features is None) != (self._feature_map is None):
            had, gets = ("no", "some") if self._feature_map is None else ("some", "none")
            raise ValueError(
                f"warm_start goes on from a fit with {had} image_features, but this one gets "
                f"{gets}: pass them in both or in neither, or use warm_start=False"
            )
        if features is not None and self._feature_map is not None:
            check_width(features, self._feature_map)
        known = matrix[:, : old[1]]
        if matrix.shape[0] > old[0]:
            new_features = features and features.part(old[0], matrix.shape[0])
            users = np.concatenate([users, self._fold_in_rows(known[old[0] :], new_features)])
        if matrix.shape[1] > old[1]:
            new = np.arange(old[1], matrix.shape[1])
            label_users = transposed(matrix)[new]
            pairs = StoredPairs.of(known)
            items = np.concatenate([items, self._fold_in_labels(new, label_users, users, pairs)])
        if course.monitor is not None:
            # the factors there are have seen the labels that are now held out
            users, rows = users.copy(), course.monitor.rows
            users[rows] = self._fold_in_rows(known[rows], features and features.rows(rows))
        return users, items

    def _try(self, course: Course, checkpoint: Checkpoint | None) -> TrialResult:
        """Choose by a trial what the parameters leave open, if they do."""
        if self._usual.released:
            return TrialResult()
        stored = None if checkpoint is None else stored_result(checkpoint)
        if stored is not None:
            return stored
        parameters, facts = self._parameters(), course.facts()
        return course.try_settings(
            lambda found: resolve(parameters, facts, found, self._usual),
            self.iterations if leaves_penalty_open(parameters) else 0,
            hardness=hardness_by_counts(parameters, facts, self._usual),
            popularity=self.use_bias,
        )

    def _found(self) -> TrialResult:
        """Return what the trial of the last `fit` found, if there was one."""
        return TrialResult(**getattr(self, "trial_", {}))

    def _parameters(self) -> dict[str, Any]:
        """Return all parameters of `VSEens`, those too that a preset fixes."""
        return {name: getattr(self, name) for name in _parameter_names()}

    def _shown_to(self, callback: EpochCallback, trainer: Trainer, course: Course) -> EpochCallback:
        """Make a callback that finds in the model what was learned so far, the factors alone."""
        pairs = StoredPairs.of(course.whole.matrix())

        def call(epoch: int, elapsed: float, correct: int, skipped: int) -> None:
            before = dict(self.__dict__)
            users, items = trainer.factors()
            self._remember(
                pairs,
                _user_factors=users.astype(self.dtype),
                _item_factors=items.astype(self.dtype),
                history_={name: list(values) for name, values in trainer.history.items()},
                n_iter_=trainer.epochs,
                trial_=course.found._asdict(),
                _item_item=None,
                _feature_map=trainer.fitted_map(self.dtype),
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

    def _store(
        self,
        trainer: Trainer,
        matrix: csr_matrix,
        found: TrialResult,
        item_item: ItemItemWeights | None = None,
    ) -> None:
        feature_map = trainer.fitted_map(np.dtype(self.dtype))
        users, items = trainer.take_factors(np.dtype(self.dtype))
        self._remember(
            StoredPairs.of(matrix),
            _user_factors=users,
            _item_factors=items,
            history_=trainer.history,
            n_iter_=trainer.epochs,
            trial_=found._asdict(),
            _item_item=item_item,
            _feature_map=feature_map,
        )
        self.__dict__.pop("best_iteration_", None)

    def _fold_in_rows(self, matrix: csr_matrix, features: Features | None = None) -> Floats:
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
        folded = self._folder().users(Interactions.of(matrix, features=features), threads)
        return folded.astype(self.item_factors.dtype, copy=False)

    def _shares_of_factors(
        self, labels: NDArray[np.int32], label: int
    ) -> tuple[NDArray[np.float64], float] | None:
        shares = self._folder().shares(labels)
        if shares is None:
            return None
        own = self.item_factors[label].astype(np.float64)
        return shares @ own[: self.factors], float(own[self.factors :].sum())

    def _folder(self) -> FoldIn:
        """Return tables for the factors as they are now, which can be set or changed in place."""
        self._check_columns()
        settings = settings_of(self, len(self.item_factors))
        factors = self.item_factors
        # what is popular follows from the pairs
        pairs = self.__dict__.get("_pairs") if settings.sampler.needs_counts else None
        group_size = last_group_size(settings, self._history())
        feature_map = None if self._feature_map is None else self._feature_map.in_kernel
        folder = _folders.get(factors)
        if folder is None or not folder.agrees_with(
            settings, factors, group_size, pairs, feature_map
        ):
            self._check_parameters()
            check(settings)
            folder = FoldIn(
                settings,
                padded(factors, copy=True),
                sampler_of(settings, len(factors), self._label_counts),
                group_size,
                effective_threads(self.num_threads),
                pairs,
                feature_map,
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

    def _popularity(self, matrix: csr_matrix) -> NDArray[np.float64] | None:
        """Return how popular every label is; None: by the number of images that have it."""
        return None

    def _label_counts(self) -> NDArray[np.int64] | NDArray[np.float64]:
        if "_pairs" not in self.__dict__:
            raise ValueError(
                "sampler='popularity' needs to know how many images have each label, but this "
                "model was saved without the fitted matrix: save it with fitted_matrix=True"
            )
        counts: NDArray[np.int64] = self._pairs.counts(len(self.item_factors))
        # without any image all labels are as popular
        return counts if counts.any() else np.ones_like(counts)

    def _fold_in_labels(
        self, ids: NDArray[np.int64], item_users: csr_matrix, users: Floats, known: StoredPairs
    ) -> Floats:
        trials = self._history().get("trials")
        with limit_blas(self.num_threads):
            folded = LabelFoldIn(
                self._folder(),
                users,
                known,
                trials[-1] if trials else 1.0,
                effective_threads(self.num_threads),
            ).run(item_users, ids)
        return folded[:, : users.shape[1]].astype(self.item_factors.dtype)


@cache
def _parameter_names() -> tuple[str, ...]:
    return tuple(VSEens._get_param_names())


def _is_of_kind(given: Any, kind: type[Choice]) -> bool:
    return given == kind.name if isinstance(given, str) else isinstance(given, kind)


def settings_of(
    model: VSEens,
    n_labels: int,
    found: TrialResult | None = None,
    has_features: bool | None = None,
) -> Settings:
    """Resolve what the parameters of a model leave open, by default as in `fit` and its trial."""
    found = model._found() if found is None else found
    if has_features is None:
        has_features = model._feature_map is not None
    facts = Facts(n_labels, has_features=has_features)
    return resolve(model._parameters(), facts, found, model._usual)
