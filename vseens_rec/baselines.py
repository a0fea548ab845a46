"""The methods that VSE-ens is compared with: presets of `VSEens`, and popularity."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import csr_matrix

from ._typing import EpochCallback, Floats, IdsLike, MatrixLike
from .checkpoints import Checkpoint
from .vseens import VSEens

__all__ = ["BPR", "DNS", "WARP", "AoBPR", "NaiveRank", "OptAUC", "Popularity"]


Preset = TypeVar("Preset", bound=VSEens)


def _preset(
    *, defaults: dict[str, Any] | None = None, without: tuple[str, ...] = (), **fixed: Any
) -> Callable[[type[Preset]], type[Preset]]:
    """Make a class a preset: parameters fixed as class attributes, others with new defaults.

    The signature of the class lists the parameters that are left, so that scikit-learn sees those
    and no others.
    """
    defaults = TEXTBOOK | (defaults or {})

    def decorate(cls: type[Preset]) -> type[Preset]:
        left = [
            parameter.replace(default=defaults.get(name, parameter.default))
            for name, parameter in inspect.signature(VSEens.__init__).parameters.items()
            if name not in fixed and name not in without
        ]
        signature = inspect.Signature(left)

        def __init__(self: Preset, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            for name, value in list(bound.arguments.items())[1:]:
                setattr(self, name, value)

        vars(__init__)["__signature__"] = signature
        attributes = {"__init__": __init__} | fixed
        for name in without:
            attributes[name] = inspect.signature(VSEens.__init__).parameters[name].default
        for name, value in attributes.items():
            setattr(cls, name, value)
        return cls

    return decorate


# what the methods are known with
TEXTBOOK: dict[str, Any] = {
    "factors": 100,
    "iterations": 100,
    "learning_rate": 0.1,
    "regularization": 0.03,
    "learning_rate_schedule": "constant",
    "damped_steps": False,
    "user_learning_rate_multiplier": 1.0,
    "rank_scale": 0.1,
}
OF_RANKS = ("refresh_interval", "rank_scale")
OF_SEVERAL = ("candidates", "group_size", "share_candidates")
OF_SOFTMAX = ("temperature", "proposal_correction")


@_preset(
    sampler="uniform",
    selection="violator",
    loss="warp",
    # undamped, steps weighted by up to 1 + ln(n_labels) explode; the penalty only acts on violators
    defaults={"damped_steps": True, "regularization": 0.3},
    without=(*OF_RANKS, *OF_SEVERAL, *OF_SOFTMAX, "popularity_exponent"),
)
class WARP(VSEens):
    """Weighted approximate-rank pairwise loss (Weston, Bengio and Usunier, IJCAI 2011).

    Uniform negatives are drawn until one scores within the margin of the positive; the number of
    trials estimates the positive's rank, and the step is weighted by ``L(rank)``. A preset of
    `VSEens`: ``sampler="uniform", selection="violator", loss="warp"``. Its other parameters are
    those of `VSEens`. Steps are damped by default, since ones weighted by ``L(rank)`` soon explode
    otherwise.

    Examples
    --------
    >>> from vseens_rec import WARP
    >>> WARP(factors=50, max_trials=100)
    WARP(factors=50, max_trials=100)
    """


@_preset(
    sampler="uniform",
    selection="first",
    loss="logistic",
    candidates=1,
    without=(
        *OF_RANKS, "group_size", "share_candidates", "max_trials", *OF_SOFTMAX, "margin",
        "popularity_exponent",
    ),
)  # fmt: skip
class BPR(VSEens):
    """Bayesian personalised ranking (Rendle et al., UAI 2009): uniform negatives, logistic loss.

    A preset of `VSEens`: ``sampler="uniform", selection="first", loss="logistic"``. Its other
    parameters are those of `VSEens`.
    """


class OptAUC(BPR):
    """The Opt-AUC of the paper's comparison, which is `BPR` under another name."""


@_preset(
    sampler="adaptive",
    selection="first",
    loss="logistic",
    candidates=1,
    without=(
        "group_size",
        "share_candidates",
        "max_trials",
        *OF_SOFTMAX,
        "margin",
        "popularity_exponent",
    ),
)
class AoBPR(VSEens):
    """BPR with adaptively oversampled negatives (Rendle and Freudenthaler, WSDM 2014).

    A preset of `VSEens`: ``sampler="adaptive", selection="first", loss="logistic"``. Its other
    parameters are those of `VSEens`.
    """


@_preset(
    sampler="uniform",
    selection="hardest",
    loss="logistic",
    defaults={"candidates": 8},
    without=(
        *OF_RANKS, "group_size", "share_candidates", "max_trials", *OF_SOFTMAX, "margin",
        "popularity_exponent",
    ),
)  # fmt: skip
class DNS(VSEens):
    """Dynamic negative sampling (Zhang et al., SIGIR 2013): the hardest of some uniform candidates.

    A preset of `VSEens`: ``sampler="uniform", selection="hardest", loss="logistic"``, with 8
    candidates by default. Its other parameters are those of `VSEens`.
    """


@_preset(
    sampler="exact",
    selection="first",
    loss="hinge",
    candidates=1,
    without=(
        "refresh_interval", "group_size", "share_candidates", "max_trials", *OF_SOFTMAX,
        "popularity_exponent",
    ),
)  # fmt: skip
class NaiveRank(VSEens):
    """The paper's naive sampler: the law of ranks over the true ranking, with the hinge (Eq. 6).

    It scores and sorts all labels for every image in every epoch. A preset of `VSEens`:
    ``sampler="exact", selection="first", loss="hinge"``. Its other parameters are those of
    `VSEens`.
    """


class Popularity(VSEens):
    """The same ranking for every image: by the number of images that have a label.

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
    ) -> None:
        if checkpoint is not None:
            raise ValueError("Popularity counts once: leave checkpoint out, nothing goes on later")
        counts = np.bincount(matrix.indices, minlength=matrix.shape[1])
        self.user_factors = np.ones((matrix.shape[0], 1), dtype=self.dtype)
        self.item_factors = counts.astype(self.dtype)[:, None]
        self._remember(matrix)
        if callback is not None:
            callback(0, 0.0, 0, 0)

    def _expected_columns(self) -> int:
        return 1

    def partial_fit_users(self, userids: IdsLike, user_items: MatrixLike) -> None:
        """Add images, or set their labels, and count how many images have each label anew."""
        super().partial_fit_users(userids, user_items)
        if "_liked_indices" in self.__dict__:
            self.item_factors = self._label_counts().astype(self.dtype)[:, None]

    def _fold_in_rows(self, matrix: csr_matrix) -> Floats:
        return np.ones((matrix.shape[0], 1), dtype=self.dtype)

    def _fold_in_labels(
        self, ids: NDArray[np.int64], item_users: csr_matrix, users: Floats, known: csr_matrix
    ) -> Floats:
        counts: NDArray[np.int64] = np.diff(item_users.indptr)
        return counts.astype(self.dtype)[:, None]
