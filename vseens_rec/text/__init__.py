"""Words: counts of skip-grams from text, vectors of words, and their files.

:func:`count_skip_grams` makes a matrix of text of any size, `SkipGram` learns vectors from it, and
`WordVectors` holds them, finds what is near, and reads and writes the files of word2vec.
"""

from .counting import SkipGramCounts, count_skip_grams
from .skip_gram import SkipGram
from .word_vectors import WordVectors

__all__ = ["SkipGram", "SkipGramCounts", "WordVectors", "count_skip_grams"]
