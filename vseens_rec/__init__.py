"""Recommendation of labels for images from a sparse matrix of what is known.

An implicit-feedback recommender for users of implicit and scikit-learn: matrix factorisation
trained with the adaptive negative sampler of VSE-ens.
"""

__version__ = "0.1.0"

from . import datasets, metrics, model_selection
from ._native import show_config
from .baselines import BPR, DNS, WARP, AoBPR, NaiveRank, OptAUC, Popularity, SampledSoftmax
from .checkpoints import Checkpoint
from .named import NamedModel, NamedRanking
from .sampling import AdaptiveSampler, ExactSampler, PopularitySampler, UniformSampler
from .vseens import VSEens

__all__ = [
    "BPR",
    "DNS",
    "WARP",
    "AdaptiveSampler",
    "AoBPR",
    "Checkpoint",
    "ExactSampler",
    "NaiveRank",
    "NamedModel",
    "NamedRanking",
    "OptAUC",
    "Popularity",
    "PopularitySampler",
    "SampledSoftmax",
    "UniformSampler",
    "VSEens",
    "datasets",
    "metrics",
    "model_selection",
    "show_config",
]
