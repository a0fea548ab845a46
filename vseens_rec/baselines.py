"""The methods that VSE-ens is compared with, and a successor: presets of `VSEens`; popularity."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import csr_matrix

from ._typing import EpochCallback, Floats, IdsLike, MatrixLike
from .choices import Adaptive, Exact, Hinge, Random, Softmax, Violator, Warp
from .choices.base import Choice
from .engine.features import Features
from .engine.interactions import count_labels
from .engine.settings import Usual
from .engine.stored_pairs import StoredPairs
from .estimator import LinearRecommender
from .files.checkpoints import Checkpoint
from .vseens import VSEens

__all__ = [
    "BPR",
    "DNS",
    "WARP",
    "AoBPR",
    "NaiveRank",
    "OptAUC",
    "Popularity",
    "ReleasedVSEens",
    "SampledSoftmax",
]


# what the methods are known with, but for steps that are damped: the known ones explode where the
# learning rate is a little too large
TEXTBOOK: dict[str, Any] = {
    "factors": 100,
    "iterations": 100,
    "learning_rate": 0.1,
    "learning_rate_schedule": "constant",
    "user_learning_rate_multiplier": 1.0,
    "init": "random",
    "item_item": None,
}
RANK_SCALE = 0.1
USUAL = Usual(penalty=0.03)

Preset = TypeVar("Preset", bound=VSEens)


def _preset(
    *,
    defaults: dict[str, Any] = TEXTBOOK,
    usual: Usual = USUAL,
    kinds: dict[str, type[Choice]] | None = None,
    **fixed: Any,
) -> Callable[[type[Preset]], type[Preset]]:
    """Make a class a preset: parameters fixed as class attributes, others with new defaults.

    The signature of the class lists the parameters that are left, so that scikit-learn sees those
    and no others; its docstring gets a section on them. A parameter in `kinds` takes choices of
    that kind alone: what makes the method what it is, though its settings can be others.
    """
    kinds = kinds or {}
    named = {name: kind.name for name, kind in kinds.items() if name not in usual.choices}

    def decorate(cls: type[Preset]) -> type[Preset]:
        new = named | dict.fromkeys(usual.choices) | defaults
        left = [
            parameter.replace(default=new.get(name, parameter.default))
            for name, parameter in inspect.signature(VSEens.__init__).parameters.items()
            if name not in fixed
        ]
        signature = inspect.Signature(left)

        def __init__(self: Preset, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            for name, value in list(bound.arguments.items())[1:]:
                setattr(self, name, value)

        vars(__init__)["__signature__"] = signature
        constraints = VSEens._parameter_constraints
        may_be_none = {name: [*constraints[name], None] for name in usual.choices}
        attributes = {"__init__": __init__, "_usual": usual, "_kinds": kinds} | fixed
        attributes["_parameter_constraints"] = constraints | may_be_none
        for name, value in attributes.items():
            setattr(cls, name, value)
        return _describe_parameters(cls)

    return decorate


def _describe_parameters(cls: type[Preset]) -> type[Preset]:
    """Add the section of parameters to the docstring of a preset, ahead of its examples.

    It has an entry for each default that is not that of `VSEens`, and one for every line of the
    names between them.
    """
    if cls.__doc__ is None:
        # python -OO
        return cls
    usual = inspect.signature(VSEens).parameters
    own = inspect.signature(cls).parameters
    lines = ["Parameters", "----------"]

    def describe_alike(names: list[str]) -> None:
        if names:
            defaults = ", ".join(_default(own[name]) for name in names)
            lines.append(f"{', '.join(names)} : as in `VSEens`")
            lines.append(f"    {'Defaults' if len(names) > 1 else 'Default'}: {defaults}.")
            names.clear()

    alike: list[str] = []
    for name, parameter in own.items():
        if name == "regularization" and cls._usual.penalty != VSEens._usual.penalty:
            describe_alike(alike)
            lines.append("regularization : float, Penalty or None, default=None")
            lines.append(f"    As in `VSEens`, but the usual penalty is {cls._usual.penalty}.")
            continue
        if name in cls._kinds:
            describe_alike(alike)
            of = cls._kinds[name]
            lines.append(f"{name} : {_kind_of(of, cls)}, default={_default(parameter)}")
            meaning = cls._usual.choices.get(name)
            what = f"None: ``{meaning!r}``." if meaning else f"`{of.__name__}` has its settings."
            lines.append(f"    {what}")
            continue
        if parameter.default == usual[name].default:
            if len(", ".join([*alike, name])) > LINE_OF_NAMES:
                describe_alike(alike)
            alike.append(name)
            continue
        describe_alike(alike)
        kind = inspect.formatannotation(parameter.annotation).replace(" | ", " or ")
        lines.append(f"{name} : {kind}, default={_default(parameter)}")
        lines.append(f"    `VSEens` has {_default(usual[name])}.")
    describe_alike(alike)
    before, heading, after = inspect.cleandoc(cls.__doc__).partition("Examples\n--------\n")
    cls.__doc__ = before + "\n".join(lines) + "\n\n" + heading + after
    return cls


def _kind_of(kind: type[Choice], cls: type[VSEens]) -> str:
    names = [f'"{kind.name}"', kind.__name__]
    if kind in [type(choice) for choice in cls._usual.choices.values()]:
        names.append("None")
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _default(parameter: inspect.Parameter) -> str:
    value = parameter.default
    return f"np.{value.__name__}" if isinstance(value, type) else repr(value).replace("'", '"')


# characters of them in a line of a docstring
LINE_OF_NAMES = 72


@_preset(
    sampler="uniform",
    kinds={"selection": Violator, "loss": Warp},
    # the penalty only acts on violators
    usual=Usual(penalty=0.1),
    candidates=None,
)
class WARP(VSEens):
    """Weighted approximate-rank pairwise loss (Weston, Bengio and Usunier, IJCAI 2011).

    Uniform negatives are drawn until one scores within the margin of the positive; the number of
    trials estimates the positive's rank, and the step is weighted by ``L(rank)``. A preset of
    `VSEens`: ``sampler="uniform", selection="violator", loss="warp"``. Take it to compare with the
    WARP of LightFM and others. A pair costs more draws as the model learns, which
    ``selection=Violator(max_trials=...)`` limits.

    Examples
    --------
    >>> from vseens_rec import WARP
    >>> from vseens_rec.choices import Violator
    >>> from vseens_rec.datasets import load_emoji
    >>> model = WARP(
    ...     factors=8, iterations=2, selection=Violator(max_trials=100), random_state=0)
    >>> model.fit(load_emoji().matrix, show_progress=False).recommend(0, N=3)[0].shape
    (3,)
    """


@_preset(sampler="uniform", selection="first", loss="logistic", candidates=1)
class BPR(VSEens):
    """Bayesian personalised ranking (Rendle et al., UAI 2009): uniform negatives, logistic loss.

    A preset of `VSEens`: ``sampler="uniform", selection="first", loss="logistic"``. Take it as the
    usual baseline; a pair costs less than with any other preset.

    Examples
    --------
    >>> from vseens_rec import BPR
    >>> from vseens_rec.datasets import load_emoji
    >>> model = BPR(factors=8, iterations=2, random_state=0, num_threads=1)
    >>> model.fit(load_emoji().matrix, show_progress=False).recommend(0, N=3)[0].shape
    (3,)
    """


@_describe_parameters
class OptAUC(BPR):
    """The Opt-AUC of the paper's comparison, which is `BPR` under another name.

    Take it to have that name in a table.

    Examples
    --------
    >>> from vseens_rec import OptAUC
    >>> from vseens_rec.datasets import load_emoji
    >>> model = OptAUC(factors=8, iterations=2, random_state=0, num_threads=1)
    >>> model.fit(load_emoji().matrix, show_progress=False).recommend(0, N=3)[0].shape
    (3,)
    """


@_preset(
    kinds={"sampler": Adaptive},
    usual=Usual(penalty=0.03, choices={"sampler": Adaptive(RANK_SCALE)}),
    selection="first",
    loss="logistic",
    candidates=1,
)
class AoBPR(VSEens):
    """BPR with adaptively oversampled negatives (Rendle and Freudenthaler, WSDM 2014).

    A preset of `VSEens`: ``sampler="adaptive", selection="first", loss="logistic"``. Take it to see
    what the adaptive sampler alone does for `BPR`.

    Examples
    --------
    >>> from vseens_rec import AoBPR
    >>> from vseens_rec.datasets import load_emoji
    >>> model = AoBPR(factors=8, iterations=2, random_state=0, num_threads=1)
    >>> model.fit(load_emoji().matrix, show_progress=False).recommend(0, N=3)[0].shape
    (3,)
    """


@_preset(
    sampler="uniform",
    selection="hardest",
    loss="logistic",
    defaults=TEXTBOOK | {"candidates": 8},
)
class DNS(VSEens):
    """Dynamic negative sampling (Zhang et al., SIGIR 2013): the hardest of some uniform candidates.

    A preset of `VSEens`: ``sampler="uniform", selection="hardest", loss="logistic"``, with 8
    candidates by default; more are harder. Take it to see what hard negatives do without the
    adaptive sampler.

    Examples
    --------
    >>> from vseens_rec import DNS
    >>> from vseens_rec.datasets import load_emoji
    >>> model = DNS(factors=8, iterations=2, random_state=0, num_threads=1)
    >>> model.fit(load_emoji().matrix, show_progress=False).recommend(0, N=3)[0].shape
    (3,)
    """


@_preset(
    kinds={"sampler": Exact, "loss": Hinge},
    usual=Usual(penalty=0.03, choices={"sampler": Exact(RANK_SCALE)}),
    selection="first",
    candidates=1,
)
class NaiveRank(VSEens):
    """The paper's naive sampler: the law of ranks over the true ranking, with the hinge (Eq. 6).

    It scores and sorts all labels for every image in every epoch. A preset of `VSEens`:
    ``sampler="exact", selection="first", loss="hinge"``. Take it to see what the approximation of
    `AdaptiveSampler` costs in ranking, on small data.

    Examples
    --------
    >>> from vseens_rec import NaiveRank
    >>> from vseens_rec.datasets import load_emoji
    >>> model = NaiveRank(factors=8, iterations=2, random_state=0, num_threads=1)
    >>> model.fit(load_emoji().matrix[:200], show_progress=False).recommend(0, N=3)[0].shape
    (3,)
    """


@_preset(
    kinds={"loss": Softmax},
    selection="first",
    # small steps from a good start: more of them rank no higher, but with more factors they do
    defaults={"factors": 256, "iterations": 15, "init": "spectral", "item_item": None},
)
class SampledSoftmax(VSEens):
    """Softmax over a positive and some sampled labels, by default ones that rank high.

    A preset of `VSEens`: ``loss="softmax", selection="first"``, with twice its number of candidates
    and of factors and a third of its iterations. All candidates move, each by its share of the
    softmax, so that a step tells more and few epochs do. Take it for factors of tags and keywords,
    where it ranks 1.5 to 3.5 % higher than the factors of `VSEens` alone in 1.2 to 2 times the
    time. With tens of thousands of labels its default number of candidates takes long; 4 to 16 of
    them and ``factors=64`` rank well in seconds. With ``sampler="uniform"`` or ``"popularity"`` it
    is the usual sampled softmax, which ``loss=Softmax(proposal_correction=True)`` makes an estimate
    of the one over all labels (Bengio and Senecal, IEEE Transactions on Neural Networks 19, 2008).

    Examples
    --------
    >>> from vseens_rec import SampledSoftmax
    >>> from vseens_rec.datasets import load_emoji
    >>> model = SampledSoftmax(factors=8, iterations=2, random_state=0, num_threads=1)
    >>> model.fit(load_emoji().matrix, show_progress=False).recommend(0, N=3)[0].shape
    (3,)
    """


@_preset(
    usual=Usual(
        released=True,
        choices={
            "sampler": Adaptive(0.01, refresh_interval=1.0),
            "init": Random(scale=0.01),
        },
    ),
    defaults={
        "factors": 100,
        "learning_rate": 0.01,
        "regularization": 0.01,
        "learning_rate_schedule": "constant",
        "user_learning_rate_multiplier": 1.0,
        "iterations": 100,
        "loss": "hinge",
        "use_bias": False,
        "fold_in_users": False,
        "item_item": None,
    },
    candidates=1,
    damped_steps=False,
    positive_sampling="images",
)
class ReleasedVSEens(VSEens):
    """What the code released by the paper's authors does, where it differs from the paper.

    A preset of `VSEens` with the paper's setting (`VSEens.paper`), to follow the figures of that
    code: factors are drawn by their variance, ranks in steps of ``rank_scale * n_labels``, an epoch
    has 100 triplets for every image, of a random label of it, and the image's factors move before
    the labels'. Its WARP is ``sampler="uniform", selection="violator", loss="warp"`` here: the
    violator is the first by id, with the logistic loss and no L(rank).

    Examples
    --------
    >>> from vseens_rec import ReleasedVSEens
    >>> from vseens_rec.choices import Adaptive
    >>> from vseens_rec.datasets import load_emoji
    >>> model = ReleasedVSEens(
    ...     factors=8, iterations=1, sampler=Adaptive(rank_scale=0.1), random_state=0)
    >>> model.fit(load_emoji().matrix, show_progress=False).recommend(0, N=3)[0].shape
    (3,)
    """


class Popularity(LinearRecommender):
    """The same ranking for every image: by the number of images that have a label.

    The floor: a model that does not beat it has learned nothing about single images. It has the
    methods of `VSEens`; scores are the counts, and all factors of images are 1.

    Parameters
    ----------
    dtype : {np.float32, np.float64}, default=np.float32
        Type of the factors.
    num_threads : int, default=0
        Threads for batches of recommendations; 0: all processors of the process.

    Examples
    --------
    >>> import numpy as np
    >>> from vseens_rec import Popularity
    >>> model = Popularity().fit(np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]]))
    >>> model.recommend(1, N=2)[0].tolist()
    [1, 2]
    """

    def __init__(self, *, dtype: DTypeLike = np.float32, num_threads: int = 0):
        self.dtype = dtype
        self.num_threads = num_threads

    def _learn(
        self,
        matrix: csr_matrix,
        show_progress: bool,
        callback: EpochCallback | None,
        checkpoint: Checkpoint | None,
        features: Features | None,
    ) -> None:
        if checkpoint is not None:
            raise ValueError("Popularity counts once: leave checkpoint out, nothing goes on later")
        counts = count_labels(matrix.indices, matrix.shape[1])
        self._remember(
            StoredPairs.of(matrix),
            _user_factors=np.ones((matrix.shape[0], 1), dtype=self.dtype),
            _item_factors=counts.astype(self.dtype)[:, None],
        )
        if callback is not None:
            callback(0, 0.0, 0, 0)

    def _expected_columns(self) -> int:
        return 1

    def partial_fit_users(
        self, userids: IdsLike, user_items: MatrixLike, *, image_features: MatrixLike | None = None
    ) -> None:
        """Add images, or set their labels, and count how many images have each label anew.

        A model that was saved without the fitted matrix keeps the counts it has.

        Parameters
        ----------
        userids : int or array-like of int of shape (n,)
            Row numbers, each once, as in `VSEens.partial_fit_users`.
        user_items : sparse matrix of shape (n, n_labels)
            All labels of each image.
        image_features : None
            Popularity has no use for them.

        Raises
        ------
        ValueError
            A number comes twice, or `user_items` has the wrong shape or negative values.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import Popularity
        >>> model = Popularity().fit(np.array([[1, 1, 0], [1, 0, 0]]))
        >>> model.partial_fit_users(2, np.array([[0, 0, 1]]))
        >>> model.item_factors.ravel().tolist()
        [2.0, 1.0, 1.0]
        """
        super().partial_fit_users(userids, user_items, image_features=image_features)
        if "_pairs" in self.__dict__:
            counts = count_labels(self._pairs.arrays()[1], len(self.item_factors))
            self.item_factors = counts.astype(self.item_factors.dtype)[:, None]

    def _fold_in_rows(self, matrix: csr_matrix, features: Features | None = None) -> Floats:
        return np.ones((matrix.shape[0], 1), dtype=self.item_factors.dtype)

    def _fold_in_labels(
        self, ids: NDArray[np.int64], item_users: csr_matrix, users: Floats, known: StoredPairs
    ) -> Floats:
        counts: NDArray[np.int64] = np.diff(item_users.indptr)
        return counts.astype(self.item_factors.dtype)[:, None]
