"""Short trainings on a part of the labels, to choose what the parameters leave open.

How large a penalty is good for a matrix, and how hard its negatives may be, no count of its pairs
tells: it depends on how much there is to learn beside popularity, and on how many labels are true
but not stored. So a few settings are tried where some labels are hidden.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from implicit.recommender_base import ModelFitError
from scipy.sparse import csr_matrix

from .._typing import Floats
from .features import Features
from .fold_in import FoldIn
from .group_size import last_group_size
from .holdouts import Holdout
from .interactions import Interactions
from .measures import Factors, measure, parse_metric
from .settings import Settings, TrialResult
from .trainer import Trainer

METRIC = parse_metric("ndcg@10")
# a trial has a tenth of the epochs of the training and smaller factors, but for small data, where
# so many steps take no time
SHARE_OF_EPOCHS = 0.1
FEWEST_EPOCHS, MOST_EPOCHS = 2, 4
FEWEST_STEPS = 100_000
MOST_FACTORS = 64
# in so few epochs a small penalty ranks higher than it will in the end
GAIN_OF_SMALL_PENALTY = 1.05
# as many times as the usual one
SMALL_PENALTY, LARGE_PENALTY = 0.3125, 4.0
# of the usual candidates, where they are too hard
EASIER = 0.25
# too few images to be sure of less
GAIN_OF_EASIER = 1.05


def result_from(stored: Any) -> TrialResult:
    """Make a result of what a file has; ValueError or TypeError if that cannot be one."""
    result = TrialResult(**stored)
    weight = 0.0 if result.item_item is None else result.item_item
    numbers = [result.penalty, result.hardness, weight, *result.scores.values()]
    if not isinstance(result.popularity, bool) or not all(
        isinstance(number, (int, float)) and 0 <= number < np.inf for number in numbers
    ):
        raise ValueError("trial_ holds more than numbers")
    return result


class Trial:
    """Some labels hidden, and trainings on the rest that all begin alike.

    Parameters
    ----------
    resolve : callable
        Takes a `TrialResult` and returns the settings of a training with it.
    holdout : Holdout
        The labels.
    epochs : int
        Of every training.
    seed : int
        64 bits.
    num_threads : int
        At least 1.
    show : callable
        Told what is tried.
    features : Features, optional
        Of all images.
    """

    def __init__(
        self,
        resolve: Callable[[TrialResult], Settings],
        holdout: Holdout,
        epochs: int,
        seed: int,
        num_threads: int,
        show: Callable[[str], None],
        features: Features | None = None,
    ):
        self.show = show
        self.resolve, self.epochs, self.num_threads = resolve, epochs, num_threads
        self.seed, self.holdout = seed, holdout
        self.interactions = Interactions.of(holdout.train, features=features)
        self.of_holdout = Interactions.of(
            holdout.known, features=None if features is None else features.rows(holdout.rows)
        )
        self.initial: tuple[Floats, Floats] | None = None
        self.scores: dict[str, float] = {}

    def measure(self, name: str, penalty: float, hardness: float) -> float:
        """Train and rank the hidden labels; 0 where the training diverges."""
        self.show(name)
        settings = self.resolve(TrialResult(penalty, hardness))
        trainer = Trainer(self.interactions, settings, self.seed, self.num_threads, self.initial)
        if self.initial is None:
            items = trainer.item_factors[:, : settings.columns]
            self.initial = (trainer.user_factors.copy(), items.copy())
        try:
            for iteration in range(self.epochs):
                trainer.run_epoch(iteration, self.epochs)
            trainer.check()
            folder = FoldIn(
                settings,
                trainer.item_factors,
                trainer.sampler,
                last_group_size(settings, trainer.history),
                self.num_threads,
                feature_map=trainer.feature_map,
            )
            users = folder.users(self.of_holdout, self.num_threads)
        except ModelFitError:
            return 0.0
        factors = Factors(users, trainer.item_factors[:, : settings.columns])
        return self._score(name, factors)

    def measure_popularity(self) -> float:
        """Rank the hidden labels by the number of images that have them."""
        counts = self.interactions.label_counts.astype(np.float32)
        users = np.ones((len(self.holdout.rows), 1), np.float32)
        return self._score("popularity", Factors(users, counts[:, np.newaxis]))

    def _score(self, name: str, factors: Factors) -> float:
        score = measure(factors, self.holdout.known, self.holdout.hidden, METRIC, self.num_threads)
        self.scores[name] = score
        return score


def choose(
    resolve: Callable[[TrialResult], Settings],
    matrix: csr_matrix,
    iterations: int,
    seed: int,
    num_threads: int,
    *,
    hardness: float | None,
    popularity: bool,
    show: Callable[[str], None] = lambda name: None,
    features: Features | None = None,
) -> TrialResult:
    """Choose a penalty, and where it is open how hard negatives are, for a training.

    Parameters
    ----------
    resolve : callable
        Takes a `TrialResult` and returns the settings of a training with it.
    matrix : csr_matrix
        What will be trained on.
    iterations : int
        Epochs of the training; with few there is no time for a trial.
    seed : int
        64 bits.
    num_threads : int
        At least 1.
    hardness : float or None
        What share of the usual candidates is drawn where nothing else is known; None where their
        number or the scale of ranks is given.
    popularity : bool
        Whether the model can rank by popularity alone.
    show : callable
        Told what is tried.
    features : Features, optional
        Of the images.

    Returns
    -------
    TrialResult
        That of `hardness` where there was no trial.
    """
    usual = TrialResult(hardness=1.0 if hardness is None else hardness)
    epochs = min(MOST_EPOCHS, int(SHARE_OF_EPOCHS * iterations))
    if epochs < FEWEST_EPOCHS:
        return usual
    own_seed = seed ^ 0x5851F42D4C957F2D
    of_labels = int(np.random.SeedSequence(own_seed).generate_state(1, np.uint64)[0])
    holdout = Holdout.of(matrix, seed, of_labels)
    if holdout is None:
        return usual
    epochs = min(iterations, max(epochs, FEWEST_STEPS // matrix.nnz))
    trial = Trial(resolve, holdout, epochs, own_seed, num_threads, show, features)
    penalty, harder = 1.0, usual.hardness
    score = trial.measure("usual", penalty, harder)
    found = trial.measure("small penalty", SMALL_PENALTY, harder)
    if found > GAIN_OF_SMALL_PENALTY * score:
        penalty, score = SMALL_PENALTY, found
    easier = harder if hardness is None else EASIER * harder
    if easier < harder:
        found = trial.measure("easier negatives", penalty, easier)
        if found > GAIN_OF_EASIER * score:
            harder, score = easier, found
    popular = trial.measure_popularity()
    if popular >= score:
        found = trial.measure("large penalty", LARGE_PENALTY, easier)
        if found > score:
            penalty, harder, score = LARGE_PENALTY, easier, found
    return TrialResult(penalty, harder, popularity and popular >= score, trial.scores)
