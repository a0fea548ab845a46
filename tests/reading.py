"""What was read, in a form that is easy to compare."""


def as_dict(read):
    """Pairs of names and their values."""
    pairs = read.matrix.tocoo()
    return {
        (read.image_ids[row], read.labels[column]): value
        for row, column, value in zip(pairs.row, pairs.col, pairs.data, strict=True)
    }


def pairs_of(read):
    """Pairs of names, by row."""
    pairs = read.matrix.tocoo()
    return [
        (read.image_ids[row], read.labels[column])
        for row, column in zip(pairs.row, pairs.col, strict=True)
    ]
