"""The order of the examples in the gallery."""

ORDER = [
    "annotate_emoji.py",
    "new_images.py",
    "embed_emoji.py",
    "tune_emoji.py",
    "watch_training.py",
    "compare_baselines.py",
    "see_samplers.py",
    "serve_with_index.py",
    "word_vectors.py",
    "two_tower_pytorch.py",
]


class Position:
    """Sort key of sphinx-gallery."""

    def __init__(self, folder):
        del folder

    def __call__(self, name):
        """Return the place of an example; those that are not listed are an error."""
        return ORDER.index(name)
