"""The names and scores that a `NamedModel` answers with."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from typing_extensions import Self


class _Lists(NamedTuple):
    names: NDArray[Any]
    scores: NDArray[np.float32]


class NamedRanking(_Lists):
    """Names and their scores, the pair that `NamedModel` returns.

    Parameters
    ----------
    names : ndarray of shape (N,) or (n, N)
        The best first; None where there are no more.
    scores : ndarray of float32 of the same shape
        Their scores; -inf where the name is None.

    Examples
    --------
    >>> import numpy as np
    >>> from vseens_rec import NamedModel, Popularity
    >>> named = NamedModel(Popularity(), ["a.jpg", "b.jpg"], ["sky", "sea"])
    >>> named = named.fit(np.array([[1, 0], [1, 1]]), show_progress=False)
    >>> labels, scores = named.recommend("a.jpg", N=1)
    >>> labels.tolist(), scores.tolist()
    (['sea'], [1.0])
    """

    _asked: tuple[str, str, Any]

    @classmethod
    def of(
        cls,
        names: NDArray[Any],
        scores: NDArray[np.float32],
        column: str,
        found_column: str,
        asked: Any,
    ) -> "Self":
        """Make an answer that knows what was asked for."""
        ranking = cls(names, scores)
        ranking._asked = (column, found_column, asked)
        return ranking

    def to_frame(self) -> Any:
        """Return a data frame with a row for every name that was found; needs pandas.

        Returns
        -------
        pandas.DataFrame
            Columns: what was asked for (``image``, ``session`` or ``label``), ``rank`` from 1, what
            was found (``label``, ``similar_label`` or ``similar_image``), and ``score``.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import NamedModel, Popularity
        >>> named = NamedModel(Popularity(), ["a.jpg", "b.jpg"], ["sky", "sea"])
        >>> named = named.fit(np.array([[1, 0], [1, 1]]), show_progress=False)
        >>> named.recommend(["a.jpg", "b.jpg"], N=1).to_frame()  # doctest: +SKIP
           image  rank label  score
        0  a.jpg     1   sea    1.0
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "to_frame needs pandas: pip install pandas, or take names and scores as they are"
            ) from error
        column, found_column, asked = self._asked
        names, scores = np.atleast_2d(self.names), np.atleast_2d(self.scores)
        row, place = np.nonzero(np.isfinite(scores))
        return pd.DataFrame(
            {
                column: [asked[i] for i in row],
                "rank": place + 1,
                found_column: names[row, place],
                "score": scores[row, place],
            }
        )
