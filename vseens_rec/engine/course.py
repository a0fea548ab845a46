"""One fit from the first factors to the last: what is held out, shown, kept and watched."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from tqdm.auto import tqdm

from .._native import limit_blas
from .._typing import EpochCallback, Floats
from ..choices import EarlyStopping, Spectral
from ..choices.item_item import ItemItem
from .early_stopping import Monitor
from .features import Features, MapInTraining
from .fold_in import FoldIn
from .group_size import last_group_size
from .holdouts import Holdout, validation_split
from .interactions import Interactions
from .item_item import ItemItemWeights
from .item_item_choices import SEED
from .item_item_part import ItemItemPart
from .samplers import sampler_of
from .settings import Facts, Settings, TrialResult
from .trainer import Trainer
from .trial import MOST_FACTORS, choose

# of the epochs, those in which the labels are hidden that the item-item part is weighed by
SHARE_OF_EPOCHS = 0.8
# with fewer epochs factors hardly learn what is revealed
FEWEST_TO_HIDE = 2


class Course:
    """A training and what surrounds it.

    Parameters
    ----------
    matrix : csr_matrix
        Canonical: sorted, without duplicates, every stored value > 0.
    seed : int
        64 bits.
    num_threads : int
        At least 1.
    stopping : EarlyStopping or None
        Hold labels out and watch them.
    fold_in : bool
        End with images folded in.
    item_item : ItemItem or None
        Add an item-item part.
    show_progress : bool
        Show a bar.
    popularity : ndarray of float64, optional
        How popular every label is; None: by the number of images that have it.
    features : Features, optional
        Of the images.

    Attributes
    ----------
    known : csr_matrix
        What is trained on: `matrix` without what is held out.
    interactions, whole : Interactions
        The pairs of `known` and of `matrix`.
    monitor : Monitor or None
        What watches.
    part : ItemItemPart or None
        The item-item part, once it is solved for.
    found : TrialResult
        What was chosen so far.
    """

    def __init__(
        self,
        matrix: csr_matrix,
        seed: int,
        num_threads: int,
        *,
        stopping: EarlyStopping | None,
        fold_in: bool,
        item_item: ItemItem | None,
        show_progress: bool,
        popularity: NDArray[np.float64] | None = None,
        features: Features | None = None,
    ):
        self.seed, self.num_threads, self.fold_in = seed, num_threads, fold_in
        self.item_item = item_item
        self.part: ItemItemPart | None = None
        self.found = TrialResult()
        self.features = features
        self.whole = Interactions.of(matrix, popularity, features)
        self.known, self.interactions = matrix, self.whole
        self.monitor: Monitor | None = None
        self.holdout: Holdout | None = None
        if stopping is not None:
            self.known, held_out = validation_split(matrix, stopping.validation_fraction)
            self.interactions = Interactions.of(self.known, popularity, features)
            self.monitor = Monitor(
                self.known,
                held_out,
                stopping=stopping,
                fold_in=fold_in,
                num_threads=num_threads,
                features=features,
            )
        self.progress = tqdm(total=0, disable=not show_progress, unit="epoch", leave=True)

    def facts(self) -> Facts:
        """Return what settings depend on."""
        return Facts(
            self.interactions.shape[1],
            self.interactions.labels_of_mean_pair(),
            self.features is not None,
        )

    def try_settings(
        self,
        resolve: Callable[[TrialResult], Settings],
        iterations: int,
        *,
        hardness: float | None,
        popularity: bool,
    ) -> TrialResult:
        """Choose by a trial what the parameters leave open; see `trial.choose`."""

        def resolve_small(found: TrialResult) -> Settings:
            settings = resolve(found)
            # few epochs come further from a spectral start
            start = Spectral(settings.init.scale)
            return replace(settings, factors=min(MOST_FACTORS, settings.factors), init=start)

        return choose(
            resolve_small,
            self.known,
            iterations,
            self.seed,
            self.num_threads,
            hardness=hardness,
            popularity=popularity,
            show=lambda name: self.progress.set_postfix_str(f"trying {name}"),
            features=self.features,
        )

    def start(
        self,
        settings: Settings,
        initial: tuple[Floats, Floats] | None,
        iterations: int,
        initial_map: MapInTraining | None = None,
    ) -> Trainer:
        """Begin a training, at factors there are or at those of the settings.

        Where the weight of an item-item part is to be chosen, some labels are hidden for the first
        epochs.
        """
        interactions = self.interactions
        if self.found.popularity:
            self.item_item = None
        if self.item_item is not None:
            weight = self.item_item.get_params()["weight"]
            if weight is None and self.found.item_item is None:
                if initial is None and iterations >= FEWEST_TO_HIDE:
                    self.holdout = Holdout.of(self.known, SEED)
                if self.holdout is None:
                    weight = 0.0
                else:
                    interactions = Interactions.of(self.holdout.train, features=self.features)
            if weight is not None:
                self.found = self.found._replace(item_item=weight)
        return Trainer(interactions, settings, self.seed, self.num_threads, initial, initial_map)

    def _reveal(self, trainer: Trainer) -> None:
        """Choose the weight of the item-item part by what was hidden, and go on with all pairs."""
        assert self.item_item is not None and self.holdout is not None  # noqa: PT018
        self.progress.set_postfix_str("item-item part")
        part = ItemItemPart(self.item_item, self.known, self.holdout, self.num_threads, weighs=True)
        assert part.holdout is not None
        features = None if self.features is None else self.features.rows(part.holdout.rows)
        known = Interactions.of(part.holdout.known, features=features)
        users = self._folder(trainer).users(known, self.num_threads)
        items = trainer.item_factors[:, : users.shape[1]]
        with limit_blas(self.num_threads):
            weight = part.weight_beside(users @ items.T)
        self.part, self.holdout = part, None
        self.found = self.found._replace(item_item=weight)
        trainer.go_on_with(self.interactions)

    def _folder(self, trainer: Trainer) -> FoldIn:
        """Make what folds images in, as the factors are."""
        settings, sampler = trainer.settings, trainer.sampler
        if settings.sampler.needs_counts:
            # labels that were held out count again
            sampler = sampler_of(settings, self.whole.shape[1], lambda: self.whole.popularity)
        group_size = last_group_size(settings, trainer.history)
        return FoldIn(
            settings,
            trainer.item_factors,
            sampler,
            group_size,
            self.num_threads,
            feature_map=trainer.feature_map,
        )

    def item_item_weights(self) -> ItemItemWeights | None:
        """Return the weights to add, times their own weight."""
        weight = self.found.item_item
        if self.item_item is None or not weight:
            return None
        if self.part is None:
            holdout = Holdout.of(self.known, SEED)
            self.part = ItemItemPart(
                self.item_item, self.known, holdout, self.num_threads, weighs=False
            )
        return self.part.weights.scaled(weight)

    def run(
        self,
        trainer: Trainer,
        iterations: int,
        callback: EpochCallback | None = None,
        keep: Callable[[int], None] | None = None,
        done: int = 0,
    ) -> None:
        """Run epochs; raise `ModelFitError` if the factors are infinite or not numbers.

        `keep` is called with the number of those that are done, of which there may be some already.
        """
        self.progress.reset(total=iterations)
        self.progress.update(done)
        revealed = int(SHARE_OF_EPOCHS * iterations)
        for iteration in range(done, iterations):
            if self.holdout is not None and iteration == revealed:
                self._reveal(trainer)
            counts = trainer.run_epoch(iteration, iterations)
            stops = self.monitor is not None and self.monitor.should_stop(trainer)
            shown = {
                "loss": f"{trainer.history['loss'][-1]:.4f}",
                "violations": f"{trainer.history['violations'][-1]:.1%}",
            }
            if self.monitor is not None:
                shown["validation"] = f"{trainer.history['validation'][-1]:.4f}"
            self.progress.set_postfix(shown, refresh=False)
            self.progress.update(1)
            if keep is not None and not stops:
                keep(iteration + 1)
            if callback is not None:
                callback(
                    trainer.epochs - 1,
                    trainer.history["seconds"][-1],
                    int(counts["correct"]),
                    int(counts["skipped"]),
                )
            if stops:
                break
        if iterations:
            trainer.check()
        if self.holdout is not None:
            # it has stopped before
            self._reveal(trainer)

    def finish(self, trainer: Trainer) -> None:
        """Go back to the best factors, or to popularity, and fold the images in."""
        if self.monitor is not None:
            self.monitor.restore(trainer)
        if self.found.popularity:
            trainer.keep_popularity()
        trainer.forget_unseen()
        trainer.add_products()
        if not self.fold_in:
            return
        self._folder(trainer).users(self.whole, self.num_threads, out=trainer.user_factors)

    def close(self) -> None:
        """Leave the bar as it is."""
        self.progress.close()
