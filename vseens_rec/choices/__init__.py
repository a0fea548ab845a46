"""Choices that have settings of their own: an object in place of a name.

`VSEens` takes ``sampler="adaptive"``, or ``sampler=Adaptive(rank_scale=0.1)`` where a setting of
the sampler is to be another one. The settings are parameters in scikit-learn's sense:
``GridSearchCV(VSEens(sampler=Adaptive()), {"sampler__rank_scale": [0.05, 0.2]})``.
"""

from .features import FeatureMap
from .item_item import DenseItemItem, ItemItem, SparseItemItem
from .losses import Hinge, Logistic, Loss, SkipGramNegative, Softmax, Warp
from .samplers import Adaptive, ByPopularity, Exact, Sampler, Uniform
from .selections import First, Group, Hardest, Selection, Violator
from .training import EarlyStopping, Penalty, Random, Spectral, Start

__all__ = [
    "Adaptive",
    "ByPopularity",
    "DenseItemItem",
    "EarlyStopping",
    "Exact",
    "FeatureMap",
    "First",
    "Group",
    "Hardest",
    "Hinge",
    "ItemItem",
    "Logistic",
    "Loss",
    "Penalty",
    "Random",
    "Sampler",
    "Selection",
    "SkipGramNegative",
    "Softmax",
    "SparseItemItem",
    "Spectral",
    "Start",
    "Uniform",
    "Violator",
    "Warp",
]
