# The kernels of all instruction sets have this interface. Arrays are contiguous.

from typing import Final

import numpy as np
from numpy.typing import NDArray

SAMPLERS: Final[tuple[str, ...]]
SELECTIONS: Final[tuple[str, ...]]
LOSSES: Final[tuple[str, ...]]
MEASURES: Final[dict[str, int]]
COUNTS: Final[tuple[str, ...]]
SLICE: Final[int]
MOST_NEGATIVES: Final[int]

class Sampler:
    @property
    def law(self) -> NDArray[np.uint32] | None: ...
    @property
    def law_probability(self) -> NDArray[np.float64] | None: ...
    @property
    def table(self) -> NDArray[np.uint16] | NDArray[np.uint32] | None: ...
    @property
    def spread(self) -> NDArray[np.float32] | None: ...
    @property
    def item_factors(self) -> NDArray[np.float32] | None: ...
    def __init__(
        self,
        kind: str,
        n_labels: int,
        columns: int,
        law: NDArray[np.uint32] | None,
        law_probability: NDArray[np.float64] | None,
        table: NDArray[np.uint16] | NDArray[np.uint32] | None,
        variance: bool = False,
    ) -> None: ...
    def refresh(self, item_factors: NDArray[np.float32], n_threads: int) -> None: ...
    def draw(
        self,
        users: NDArray[np.float32],
        out: NDArray[np.int32],
        indptr: NDArray[np.int64] | None,
        indices: NDArray[np.int32] | None,
        seed: int,
        epoch: int,
        n_threads: int,
    ) -> None: ...
    def probability(
        self,
        users: NDArray[np.float32],
        out: NDArray[np.float64],
        indptr: NDArray[np.int64] | None,
        indices: NDArray[np.int32] | None,
        n_threads: int,
    ) -> None: ...

class Ranker:
    @property
    def above(self) -> NDArray[np.int32]: ...
    @property
    def tied(self) -> NDArray[np.int32]: ...
    @property
    def missed(self) -> NDArray[np.float64]: ...
    def __init__(
        self,
        n_labels: int,
        known_indptr: NDArray[np.int64],
        known: NDArray[np.int32],
        held_out_indptr: NDArray[np.int64],
        held_out: NDArray[np.int32],
        list_lengths: NDArray[np.int64],
    ) -> None: ...
    def rank_factors(
        self,
        users: NDArray[np.float32],
        panels: NDArray[np.float32],
        rows: NDArray[np.int32],
        n_threads: int,
    ) -> bool: ...
    def rank_scores(
        self,
        scores: NDArray[np.float32] | NDArray[np.float64],
        rows: NDArray[np.int32],
        n_threads: int,
    ) -> bool: ...
    def measure(
        self,
        rows: NDArray[np.int32],
        kinds: NDArray[np.int32],
        lengths: NDArray[np.int64],
        out: NDArray[np.float64],
    ) -> None: ...

class Features:
    @property
    def n_rows(self) -> int: ...
    @property
    def most(self) -> int: ...
    def __init__(
        self,
        values: NDArray[np.float32],
        indptr: NDArray[np.int64] | None,
        indices: NDArray[np.int32] | None,
        weights: NDArray[np.float32],
        squares: NDArray[np.float32],
        *,
        dropout: float = 0.0,
        regularization: float = 0.0,
        has_own: bool = True,
    ) -> None: ...
    def add_to(self, out: NDArray[np.float32], n_threads: int) -> None: ...

class Training:
    def __init__(
        self,
        sampler: Sampler,
        item_factors: NDArray[np.float32],
        learns: NDArray[np.float32],
        *,
        loss: str,
        margin: float = 1.0,
        temperature: float = 1.0,
        corrected: bool = False,
        rank_weights: NDArray[np.float64] | None = None,
        selection: str,
        candidates: int = 1,
        max_trials: int = 1,
        damped: bool = False,
        in_turn: bool = False,
        cosine: bool = False,
        verify: bool = True,
        regularization_user: float = 0.0,
        regularization_positive: float = 0.0,
        regularization_negative: float = 0.0,
        regularize_violating_only: bool = False,
        pairs_of_full_steps: float = 0.0,
        measures_cosines: bool = False,
        sweeps: int = 0,
        least_steps: int = 0,
        first_step: NDArray[np.float32] | None = None,
        mean_negative: NDArray[np.float32] | None = None,
        unit: float = 1.0,
        anchored: bool = False,
        regularization_own: float = 0.0,
    ) -> None: ...
    def run(
        self,
        indptr: NDArray[np.int64],
        indices: NDArray[np.int32],
        rows: NDArray[np.int32],
        user_factors: NDArray[np.float32],
        *,
        learning_rate: float,
        learning_rate_user: float,
        seed: int,
        epoch: int,
        group_size: int = 1,
        draws: NDArray[np.int32] | None = None,
        running_values: NDArray[np.float64] | None = None,
        first_row: int = 0,
        features: Features | None = None,
        learning_rate_features: float = 0.0,
        n_threads: int = 1,
    ) -> dict[str, float]: ...

def start_rows(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    user_factors: NDArray[np.float32],
    item_factors: NDArray[np.float32],
    learns: NDArray[np.float32],
    mean: NDArray[np.float32],
    start: float,
    n_threads: int,
) -> None: ...
def multiply_pairs(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    factors: NDArray[np.float32],
    out: NDArray[np.float32],
    power: float,
    n_threads: int,
) -> None: ...
def fold_rows(
    sampler: Sampler,
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    rows: NDArray[np.int32],
    user_factors: NDArray[np.float32],
    item_factors: NDArray[np.float32],
    learns: NDArray[np.float32],
    inverse: NDArray[np.float32],
    mean_negative: NDArray[np.float32],
    chances_of_few: NDArray[np.float32] | None,
    chances_of_many: NDArray[np.float32] | None,
    *,
    n_negatives: int,
    pairs_of_few: int,
    steps: int,
    size: float,
    penalty: float,
    regularize_violating_only: bool,
    verify: bool,
    seed: int,
    n_threads: int,
    taken: NDArray[np.float32] | None = None,
    vectors: NDArray[np.float32] | None = None,
    negatives: NDArray[np.int32] | None = None,
    weights: NDArray[np.float32] | None = None,
    anchored: bool = False,
    penalty_own: float = 0.0,
) -> int: ...
def fold_label(
    factors: NDArray[np.float32],
    sum_of_sweeps: NDArray[np.float32],
    user_factors: NDArray[np.float32],
    images: NDArray[np.int32],
    others: NDArray[np.float64],
    gates: NDArray[np.float64],
    starts: NDArray[np.int64],
    *,
    loss: str,
    margin: float,
    temperature: float,
    learning_rate: float,
    regularization_positive: float,
    regularization_negative: float,
    negative_weight: float,
    first_summed: int,
    cosine: bool,
) -> None: ...
def score_pairs(
    user_factors: NDArray[np.float32],
    images: NDArray[np.int32],
    item_factors: NDArray[np.float32],
    labels: NDArray[np.int32],
    out: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def fill_normal(
    out: NDArray[np.float32],
    columns: int,
    scale: float,
    seed: int,
    stream: int,
    n_threads: int,
    first_row: int = 0,
) -> None: ...
def aligned_rows(n_rows: int, stride: int) -> NDArray[np.float32]: ...
def padded_width(columns: int) -> int: ...
def running_sums(
    indptr: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.float64]: ...
def alias_table(weights: NDArray[np.float64]) -> NDArray[np.uint32]: ...
def random_numbers(seed: int, epoch: int, row: int, n: int) -> NDArray[np.uint64]: ...
def loss_and_slopes(
    loss: str,
    positive: float,
    negatives: NDArray[np.float64],
    margin: float = 1.0,
    temperature: float = 1.0,
    weight: float = 1.0,
    correction: NDArray[np.float64] | None = None,
) -> tuple[float, float, NDArray[np.float64]]: ...
def label_panels(item_factors: NDArray[np.float32]) -> NDArray[np.float32]: ...
def scan_pieces(
    query: NDArray[np.float32],
    factors: NDArray[np.float32],
    cosine: bool,
    has_bias: bool,
    together: int,
    next_piece: NDArray[np.int64],
    finished: NDArray[np.uint8],
    completes: bool,
    products: NDArray[np.float32],
) -> int: ...
def best_of_one(
    query: NDArray[np.float32],
    factors: NDArray[np.float32],
    left_out: NDArray[np.int32] | None,
    left_out_everywhere: NDArray[np.int32] | None,
    cosine: bool,
    has_bias: bool,
    mask: float,
    lowest: float,
    ids: NDArray[np.int32],
    scores: NDArray[np.float32],
    scanned: NDArray[np.float32] | None = None,
) -> bool: ...
def best_of_scores(
    products: NDArray[np.float32],
    norms: NDArray[np.float32] | None,
    query_norms: NDArray[np.float32] | None,
    indptr: NDArray[np.int64] | None,
    left_out: NDArray[np.int32] | None,
    left_out_everywhere: NDArray[np.int32] | None,
    mask: float,
    lowest: float,
    ids: NDArray[np.int32],
    scores: NDArray[np.float32],
) -> bool: ...
def same_rows(padded: NDArray[np.float32], rows: NDArray[np.float32]) -> bool: ...
def gram(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    column_indptr: NDArray[np.int64],
    column_rows: NDArray[np.int32],
    row_weights: NDArray[np.float64],
    out: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def row_features(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    partner_indptr: NDArray[np.int64],
    partners: NDArray[np.int32],
    out_indptr: NDArray[np.int64],
    out: NDArray[np.int32],
) -> None: ...
def add_dense_weights(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    weights: NDArray[np.float32],
    scores: NDArray[np.float32],
    n_threads: int,
) -> None: ...
def add_sparse_weights(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    weight_indptr: NDArray[np.int64],
    weight_ids: NDArray[np.int32],
    weights: NDArray[np.float32],
    scores: NDArray[np.float32],
    n_threads: int,
) -> None: ...
def local_ridge(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    column_indptr: NDArray[np.int64],
    column_rows: NDArray[np.int32],
    row_weights: NDArray[np.float64],
    penalties: NDArray[np.float64],
    scales: NDArray[np.float64],
    parts: NDArray[np.int32],
    first: int,
    ids: NDArray[np.int32],
    weights: NDArray[np.float32],
    counts: NDArray[np.int32],
    n_threads: int,
) -> None: ...
