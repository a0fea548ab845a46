"""From parameters and the facts of a matrix to every number that a training needs."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._native import kernel
from ..choices import (
    EarlyStopping,
    FeatureMap,
    First,
    Group,
    Logistic,
    Loss,
    Penalty,
    Random,
    Sampler,
    Selection,
    Spectral,
    Start,
    Violator,
)
from ..choices.base import as_choice

# with fewer labels than that a random start ranks 1 to 2 % higher after many iterations
SPECTRAL_FROM = 500
# of an image's steps; with more pairs each is smaller, so that an epoch moves it as far in all
USUAL_MULTIPLIER = 8.0
PAIRS_OF_FULL_STEPS = 6.0
# where images have features: of what one learns beside them, once for every visit, and how much
# smaller the penalties of labels are, which features tell more about
PENALTY_OF_OWN = 0.5
PENALTY_WITH_FEATURES = 0.1
# labels that an image might have grow in number with this power of all labels
GROWTH = 0.44
# of that power, the candidates of which the highest is taken
SHARE_OF_CANDIDATES = 0.25


class Facts(NamedTuple):
    """What settings depend on in a matrix.

    Attributes
    ----------
    n_labels : int
    labels_of_mean_pair : float
        Labels of the image of a pair, averaged over the pairs; 1 where nobody asks.
    has_features : bool
        Images have features.
    """

    n_labels: int
    labels_of_mean_pair: float = 1.0
    has_features: bool = False


class TrialResult(NamedTuple):
    """What counts and a trial found.

    Attributes
    ----------
    penalty : float
        How many times as large as usual the penalty is.
    hardness : float
        What share of the usual number of candidates is drawn, over ranks that are more in
        proportion to its root.
    popularity : bool
        Nothing ranked above popularity.
    scores : dict of str to float
        NDCG@10 of what was tried.
    item_item : float or None
        The weight of the item-item part beside the factors; None: it has not been chosen.
    """

    penalty: float = 1.0
    hardness: float = 1.0
    popularity: bool = False
    scores: dict[str, float] = {}  # noqa: RUF012
    item_item: float | None = None


class Usual(NamedTuple):
    """What a method starts from where its parameters say nothing.

    Attributes
    ----------
    penalty : float
        What a trial starts from, and what there is without one.
    released : bool
        Do as the code that the paper's authors released.
    choices : dict of str to Choice
        By parameter, what its None means.
    values_are_counts : bool
        A value tells how often its pair was seen: an epoch draws as many positives as that is for
        all, and goes through long rows a part at a time.
    """

    penalty: float = 0.04
    released: bool = False
    choices: Mapping[str, Any] = {}
    values_are_counts: bool = False


@dataclass(frozen=True)
class Settings:
    """The parameters of the training, every one resolved to a value the kernel takes."""

    factors: int
    learning_rate: float
    learning_rate_schedule: str
    damped_steps: bool
    user_learning_rate_multiplier: float
    # images with more of them take smaller steps with each; 0: all alike
    pairs_of_full_steps: float
    regularization_user: float
    regularization_positive: float
    regularization_negative: float
    regularize_violating_only: bool
    sampler: Sampler
    rank_scale: float
    refresh_interval: float
    selection: Selection
    candidates: int
    group_size: int | Literal["auto"]
    max_trials: int | None
    loss: Loss
    margin: float
    temperature: float
    corrected: bool
    positive_sampling: str
    use_bias: bool
    cosine: bool
    verify_negative_samples: bool
    init: Start
    released: bool
    values_are_counts: bool = False
    # how features are mapped; None: images have none
    features: FeatureMap | None = None
    # of what images learn beside that
    regularization_own: float = 0.0

    @property
    def columns(self) -> int:
        """Columns of a row of factors."""
        return self.factors + self.use_bias

    def fixed_columns(self, lengths: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Return what images of so many labels have behind their factors: 1 for the bias."""
        return np.ones((len(lengths), self.columns - self.factors), dtype=np.float32)

    def rank_weights(self, n_labels: int) -> NDArray[np.float64] | None:
        """L(rank) of WARP for the ranks from 0 to n_labels - 1."""
        if not self.loss.weighs_ranks:
            return None
        return np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, n_labels))])

    def learned_columns(self) -> NDArray[np.float32]:
        """Mark with 1 the columns, padding included, that are learned for an image."""
        learns = np.zeros(kernel.padded_width(self.columns), dtype=np.float32)
        learns[: self.factors] = 1.0
        return learns

    def make_training(
        self, sampler: kernel.Sampler, item_factors: NDArray[np.float32], **options: Any
    ) -> kernel.Training:
        """Make the kernel's training, with some options other than those of these settings."""
        n_labels = len(item_factors)
        own: dict[str, Any] = {
            "loss": self.loss.name,
            "margin": self.margin,
            "temperature": self.temperature,
            "corrected": self.corrected,
            "rank_weights": self.rank_weights(n_labels),
            "selection": self.selection.name,
            "candidates": self.candidates,
            "max_trials": min(self.max_trials or n_labels, max(1, n_labels - 1)),
            "damped": self.damped_steps,
            "in_turn": self.released,
            "cosine": self.cosine,
            "verify": self.verify_negative_samples,
            "regularization_user": self.regularization_user,
            "regularization_positive": self.regularization_positive,
            "regularization_negative": self.regularization_negative,
            "regularization_own": self.regularization_own,
            "regularize_violating_only": self.regularize_violating_only,
            "pairs_of_full_steps": self.pairs_of_full_steps,
            "measures_cosines": self.group_size == "auto",
        }
        return kernel.Training(sampler, item_factors, self.learned_columns(), **own | options)


def resolve(
    parameters: Mapping[str, Any],
    facts: Facts,
    found: TrialResult | None = None,
    usual: Usual | None = None,
) -> Settings:
    """Resolve what the parameters leave open.

    Parameters
    ----------
    parameters : mapping
        Of `VSEens`, by name; each was checked by itself.
    facts : Facts
        Of the matrix to train on.
    found : TrialResult, optional
        What a trial chose for it.
    usual : Usual, optional
        Of the method.

    Returns
    -------
    Settings
    """
    found, usual = found or TrialResult(), usual or Usual()
    given = _with_objects(parameters, usual)
    n_labels, loss, sampler, candidates = (
        facts.n_labels, given["loss"], given["sampler"], given["candidates"]
    )  # fmt: skip
    selection_given = given["selection"] is not None
    selection = given["selection"]
    if selection is None:
        selection = as_choice(loss.usual_selection, Selection)
        if selection.takes_highest and (candidates == 1 or usual.released):
            selection = First()
    growth = n_labels**GROWTH
    usual_candidates = max(2, int(growth * SHARE_OF_CANDIDATES))
    hardness = 1.0
    rank_scale = getattr(sampler, "rank_scale", None)
    if _takes_hardest(selection) and candidates is None and rank_scale is None:
        hardness = found.hardness
    group_size = selection.size if isinstance(selection, Group) else 1
    if candidates is None:
        candidates = 1
        if selection.takes_highest:
            fewest = 2 if group_size == "auto" else group_size
            candidates = max(int(fewest), int(hardness * usual_candidates))
            if candidates == 1 and not selection_given:
                selection = First()
            elif selection.gives_one:
                candidates = max(2, candidates)
        elif loss.usual_candidates is not None and not selection.counts_trials:
            candidates = max(2, int(growth * loss.usual_candidates))
    takes_one = selection.takes_all and candidates == 1
    if rank_scale is None:
        rank_scale = 1.2 * n_labels**-0.2
        if hardness < 1:
            rank_scale *= hardness**-0.5
        elif selection.takes_highest or takes_one:
            # the highest of few has to come from higher up to be as hard
            rank_scale *= (candidates / usual_candidates) ** (2 / 3)
        rank_scale = min(1.0, rank_scale)
    damped_steps = given["damped_steps"]
    if damped_steps is None:
        damped_steps = not usual.released
    learning_rate = given["learning_rate"]
    if learning_rate is None:
        learning_rate = 0.08
        if damped_steps:
            on_pairs = loss.is_of_pairs and (selection.gives_one or candidates == 1)
            learning_rate = 0.2 if on_pairs else 0.05
        learning_rate *= min(1.0, loss.temperature)
    init = given["init"]
    if init is None:
        init = Spectral() if n_labels >= SPECTRAL_FROM and not usual.released else Random()
    margin = loss.margin
    if isinstance(selection, Violator) and selection.margin is not None:
        margin = selection.margin
    if usual.released and loss.weighs_ranks and selection.counts_trials:
        # the released code has no L(rank), and the logistic loss
        loss = Logistic()
    penalty = given["regularization"]
    multiplier = given["user_learning_rate_multiplier"]
    usual_penalty = usual.penalty * found.penalty
    if facts.has_features:
        usual_penalty *= PENALTY_WITH_FEATURES
    return Settings(
        factors=given["factors"],
        learning_rate=learning_rate,
        learning_rate_schedule=given["learning_rate_schedule"],
        damped_steps=damped_steps,
        user_learning_rate_multiplier=USUAL_MULTIPLIER if multiplier is None else multiplier,
        pairs_of_full_steps=PAIRS_OF_FULL_STEPS if multiplier is None else 0.0,
        regularization_user=_or(penalty.user, usual_penalty),
        regularization_positive=_or(penalty.positive, usual_penalty),
        regularization_negative=_or(penalty.negative, usual_penalty),
        regularize_violating_only=penalty.violating_only,
        sampler=sampler,
        rank_scale=rank_scale,
        refresh_interval=getattr(sampler, "refresh_interval", 0.0),
        selection=selection,
        candidates=candidates,
        group_size=group_size,
        max_trials=selection.max_trials if isinstance(selection, Violator) else None,
        loss=loss,
        margin=margin,
        temperature=loss.temperature,
        corrected=getattr(loss, "proposal_correction", False),
        positive_sampling="images" if usual.released else given["positive_sampling"],
        use_bias=given["use_bias"],
        cosine=given["cosine"],
        verify_negative_samples=given["verify_negative_samples"],
        init=init,
        released=usual.released,
        values_are_counts=usual.values_are_counts,
        features=(given["features"] or FeatureMap()) if facts.has_features else None,
        regularization_own=_or(penalty.user, PENALTY_OF_OWN) if facts.has_features else 0.0,
    )


def _takes_hardest(selection: Selection) -> bool:
    return selection.takes_highest and selection.gives_one


def _or(own: float | None, otherwise: float) -> float:
    return otherwise if own is None else own


def _with_objects(parameters: Mapping[str, Any], usual: Usual) -> dict[str, Any]:
    """Put choices in the place of their names, and penalties one by one in that of one number."""
    given = dict(parameters)
    kinds = {"sampler": Sampler, "selection": Selection, "loss": Loss, "init": Start}
    for name, kind in kinds.items():
        chosen = usual.choices.get(name) if given[name] is None else given[name]
        # a copy: the caller can change the object, and settings are compared later
        given[name] = None if chosen is None else copy(as_choice(chosen, kind))
    given["features"] = copy(given["features"])
    penalty = given["regularization"]
    if not isinstance(penalty, Penalty):
        given["regularization"] = Penalty(penalty, penalty, penalty)
    return given


def early_stopping_of(parameters: Mapping[str, Any]) -> EarlyStopping | None:
    """Return how a training stops early, None if it does not."""
    given = parameters["early_stopping"]
    if isinstance(given, EarlyStopping):
        return given
    return EarlyStopping() if given else None


def leaves_penalty_open(parameters: Mapping[str, Any]) -> bool:
    """Tell whether a trial may choose the penalty.

    Where values say what a pair is worth, hidden pairs are not alike.
    """
    given = parameters["regularization"]
    is_open = given is None
    if isinstance(given, Penalty):
        is_open = None in (given.user, given.positive, given.negative)
    return is_open and parameters["positive_sampling"] == "pairs"


def hardness_by_counts(
    parameters: Mapping[str, Any], facts: Facts, usual: Usual | None = None
) -> float | None:
    """Keep the negatives of a mean pair behind as many ranks as its image has labels.

    An image of many labels has many more that are true but not stored, and those rank first.
    None: the number of candidates or the scale of ranks is given, so that hardness is not open.
    """
    settings = resolve(parameters, facts, usual=usual)
    if (
        not settings.sampler.has_rank_table
        or not _takes_hardest(settings.selection)
        or parameters["candidates"] is not None
        or getattr(settings.sampler, "rank_scale", None) is not None
    ):
        return None
    ranks = settings.rank_scale * facts.n_labels / settings.candidates
    return min(1.0, ranks / max(1.0, facts.labels_of_mean_pair))


def check(settings: Settings) -> None:
    """Refuse sampler, selection, loss and their settings where they contradict each other."""
    selection, loss, candidates = settings.selection, settings.loss, settings.candidates
    if loss.weighs_ranks and not selection.counts_trials:
        raise ValueError(
            f"loss={loss.name!r} weighs by the number of trials to a violator, which "
            f"selection={selection.name!r} does not count: use selection='violator', or "
            "loss='hinge'"
        )
    if selection.counts_trials:
        if not loss.can_be_violated:
            raise ValueError(
                f"loss={loss.name!r} has no margin to violate, so selection='violator' does "
                "not go with it: use selection='hardest' or 'first', or loss='hinge', 'logistic' "
                "or 'warp'"
            )
        if candidates != 1:
            raise ValueError(
                f"selection='violator' draws until one violates, so candidates={candidates} has "
                "no meaning: limit the draws with selection=Violator(max_trials=...), or use "
                "selection='hardest'"
            )
        own = getattr(selection, "margin", None)
        if own is not None and "margin" in loss.get_params() and own != loss.margin:
            raise ValueError(
                f"selection=Violator(margin={own}) and loss={loss!r} with a margin of "
                f"{loss.margin} contradict each other: set the margin of the loss alone"
            )
    if selection.takes_highest and candidates < 2:
        raise ValueError(
            f"selection={selection.name!r} chooses among candidates, got candidates={candidates}: "
            "use 2 or more, or selection='first'"
        )
    if settings.group_size != "auto" and settings.group_size > candidates:
        raise ValueError(f"Group(size={settings.group_size}) is more than candidates={candidates}")
    if settings.corrected and not selection.takes_all:
        raise ValueError(
            "proposal_correction makes loss='softmax' with selection='first' estimate the full "
            f"softmax; it has no meaning with selection={selection.name!r}: use that one, or "
            "proposal_correction=False"
        )
    if settings.cosine and settings.use_bias:
        raise ValueError(
            "cosine=True keeps factors at length 1, where a bias has no place: use use_bias=False"
        )
    if settings.cosine and settings.features is not None:
        raise ValueError(
            "cosine=True keeps factors at length 1, and a linear map of features does not: use "
            "cosine=False, or leave image_features out"
        )
    if settings.damped_steps and settings.released:
        raise ValueError("the released code does not damp its steps: leave damped_steps=True out")
    if settings.released and candidates != 1:
        raise ValueError(
            "the released code has one negative a positive, got candidates="
            f"{candidates}: use candidates=1"
        )
