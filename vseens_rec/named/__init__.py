"""Models that are asked by ids of images and answer with names of labels."""

from .model import NamedModel
from .ranking import NamedRanking

__all__ = ["NamedModel", "NamedRanking"]
