"""Data sets of annotated images: one that is bundled, a generator of any size, and readers.

:func:`load_emoji` reads a real data set that ships with the package. :func:`make_annotations`
draws synthetic annotations from a planted model, at sizes from a unit test to tens of millions
of pairs. Functions that begin with ``read_`` read tables of pairs and public formats.
"""

from .annotations import Annotations
from .bundled import load_emoji
from .coco import read_coco
from .generated import make_annotations
from .lines import read_harrison, read_lightgcn
from .nus_wide import read_nus_wide_labels, read_nus_wide_matrix, read_nus_wide_tags
from .open_images import read_openimages
from .tables import read_pairs

__all__ = [
    "Annotations",
    "load_emoji",
    "make_annotations",
    "read_coco",
    "read_harrison",
    "read_lightgcn",
    "read_nus_wide_labels",
    "read_nus_wide_matrix",
    "read_nus_wide_tags",
    "read_openimages",
    "read_pairs",
]
