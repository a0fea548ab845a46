"""The data set that comes with the package."""

import gzip
from importlib import resources

import numpy as np
from sklearn.utils import Bunch

from .annotations import ones_csr

__all__ = ["load_emoji"]

EMOJI_DESCR = """\
Emoji and their English keywords
================================

Characters as images, English keywords as labels: a pair says that the keyword describes the
character. Most characters are emoji; the rest are the symbols, currency signs and punctuation
marks that the same source annotates.

:Images: {n_images}
:Labels: {n_labels}
:Pairs: {n_pairs}
:Matrix: {n_images} x {n_labels}, 1 where the keyword is given to the character

Source: English character annotations of the Unicode Common Locale Data Repository (CLDR),
version 48.2.0, package cldr-annotations-full. Keywords given to fewer than three characters were
dropped, then characters left without a keyword. Flags of countries and skin tone variants are
not part of the source. Glyphs are written without variation selectors.

Licence: Unicode License v3 (SPDX: Unicode-3.0), copyright Unicode, Inc. The notice is beside
the data, in UNICODE-LICENSE.txt.
"""


def load_emoji() -> Bunch:
    """Load the emoji data set: characters as images, English keywords as labels.

    The data is bundled with the package; nothing is downloaded.

    Returns
    -------
    data : sklearn.utils.Bunch
        With the attributes

        matrix : scipy.sparse.csr_matrix of float32, shape (1881, 1151)
            1 where the keyword is given to the character; 7,735 ones, indices sorted.
        images : numpy.ndarray of str, shape (1881,)
            The characters, one a row.
        names : numpy.ndarray of str, shape (1881,)
            Their English names.
        labels : numpy.ndarray of str, shape (1151,)
            The keywords, one a column, in sorted order.
        DESCR : str
            What the data is, where it is from, and its licence.

    See Also
    --------
    make_annotations : Synthetic annotations of any size.

    Examples
    --------
    >>> from vseens_rec.datasets import load_emoji
    >>> data = load_emoji()
    >>> data.matrix.shape, data.matrix.nnz
    ((1881, 1151), 7735)
    >>> row = list(data.names).index("cat face")
    >>> [str(label) for label in data.labels[data.matrix[row].indices]]
    ['animal', 'cat', 'face', 'pet']
    """
    source = resources.files("vseens_rec.datasets").joinpath("data").joinpath("emoji.tsv.gz")
    text = gzip.decompress(source.read_bytes()).decode("utf-8")
    # Not splitlines: it would also split at the line separators that a glyph may be.
    rows = [line.split("\t") for line in text.rstrip("\n").split("\n")]
    words = [row[2].split("|") for row in rows]
    labels = sorted({word for row in words for word in row})
    column = {label: j for j, label in enumerate(labels)}
    indices = np.array([j for row in words for j in sorted(column[word] for word in row)], np.int32)
    indptr = np.zeros(len(rows) + 1, np.int32)
    np.cumsum([len(row) for row in words], out=indptr[1:])
    matrix = ones_csr(indices, indptr, (len(rows), len(labels)))
    descr = EMOJI_DESCR.format(n_images=len(rows), n_labels=len(labels), n_pairs=matrix.nnz)
    return Bunch(
        matrix=matrix,
        images=np.array([row[0] for row in rows]),
        names=np.array([row[1] for row in rows]),
        labels=np.array(labels),
        DESCR=descr,
    )
