"""Recommendation of labels for images from a sparse matrix of what is known.

An implicit-feedback recommender for users of implicit and scikit-learn: matrix factorisation
trained with the adaptive negative sampler of VSE-ens.
"""

__version__ = "0.1.0"

from . import choices, datasets, metrics, model_selection, text
from ._native import show_config
from .baselines import (
    BPR,
    DNS,
    WARP,
    AoBPR,
    NaiveRank,
    OptAUC,
    Popularity,
    ReleasedVSEens,
    SampledSoftmax,
)
from .files.checkpoints import Checkpoint
from .item_item import EASE, EDLAE, SparseEASE
from .label_annotator import LabelAnnotator
from .named import NamedModel, NamedRanking
from .sampling import AdaptiveSampler, ExactSampler, PopularitySampler, UniformSampler
from .text import SkipGram
from .vseens import VSEens

__all__ = [
    "BPR",
    "DNS",
    "EASE",
    "EDLAE",
    "WARP",
    "AdaptiveSampler",
    "AoBPR",
    "Checkpoint",
    "ExactSampler",
    "LabelAnnotator",
    "NaiveRank",
    "NamedModel",
    "NamedRanking",
    "OptAUC",
    "Popularity",
    "PopularitySampler",
    "ReleasedVSEens",
    "SampledSoftmax",
    "SkipGram",
    "SparseEASE",
    "UniformSampler",
    "VSEens",
    "choices",
    "datasets",
    "metrics",
    "model_selection",
    "show_config",
    "text",
]
