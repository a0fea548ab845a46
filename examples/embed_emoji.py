"""
A map of emoji
==============

Train on half of the emoji, compute the factors of some of the others with ``transform``, and draw
them in the plane. The keyword that names their group, such as "animal", is hidden: where they land
follows from their other keywords alone.

Glyphs need a colour emoji font: on Debian and Ubuntu ``apt-get install fonts-noto-color-emoji``, on
Fedora ``dnf install google-noto-color-emoji-fonts``, or a file given with ``--font``. Without one,
emoji are drawn as dots in the colours of their groups.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.font_manager import findSystemFonts
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from PIL import Image, ImageDraw, ImageFont
from sklearn.manifold import TSNE
from sklearn.preprocessing import normalize

from vseens_rec import VSEens
from vseens_rec.datasets import load_emoji

parser = argparse.ArgumentParser()
parser.add_argument("--out", help="write the picture to this file in place of showing it")
parser.add_argument("--font", help="file of a colour emoji font")
options = parser.parse_args()

GROUPS = ["animal", "food", "heart", "clothing", "sport", "music", "clock", "weather", "zodiac"]

# %%
# New emoji, without the keyword of their group
# ---------------------------------------------
#
# Of the emoji that are not trained on, those are placed that are in just one group and have another
# keyword. Emoji of several characters are left out: not every program draws them as one glyph.

emoji = load_emoji()
old, new = np.array_split(np.random.default_rng(0).permutation(len(emoji.images)), 2)
model = VSEens(regularization=0.05, iterations=100, random_state=0)
model.fit(emoji.matrix[old], show_progress=False)

columns = [int(np.flatnonzero(emoji.labels == name)[0]) for name in GROUPS]
member = emoji.matrix[new][:, columns].toarray() > 0
others = np.ones(len(emoji.labels))
others[columns] = 0
known = emoji.matrix[new].multiply(others).tocsr()
known.eliminate_zeros()
one_character = np.array([len(glyph) == 1 for glyph in emoji.images[new]])
placed = one_character & (member.sum(axis=1) == 1) & (known.getnnz(axis=1) > 0)
glyphs, groups = emoji.images[new][placed], member[placed].argmax(axis=1)
print(f"trained on {len(old)} emoji; {len(glyphs)} others are placed, in {len(GROUPS)} groups")

# %%
# ``transform`` makes factors of the keywords that are left. The score of the hidden keyword is an
# inner product with them.

factors = model.transform(known[placed])
guessed = (factors @ model.item_factors[columns].T).argmax(axis=1)
print(f"their hidden group scores highest of all groups for {(guessed == groups).mean():.0%}")

# %%
# Glyphs
# ------

COLOUR_FONTS = ("notocoloremoji", "applecoloremoji", "seguiemj", "twemoji")
# colour fonts of bitmaps have one size only
FONT_SIZES = (109, 160, 136, 72)


def find_font():
    """Return the file of a colour emoji font, or None."""
    for path in sorted(findSystemFonts()):
        if Path(path).stem.lower().startswith(COLOUR_FONTS):
            return path
    return None


def load_font(path):
    """Open a font at the first size that it has."""
    for size in FONT_SIZES:
        try:
            return ImageFont.truetype(path, size)
        except OSError as error:
            reason = error
    raise SystemExit(f"cannot use the font {path}: {reason}")


def render(glyph, font):
    """Draw a glyph into an image of its own size; None if the font does not have it."""
    left, top, right, bottom = font.getbbox(glyph)
    image = Image.new("RGBA", (max(right - left, 1), max(bottom - top, 1)))
    ImageDraw.Draw(image).text((-left, -top), glyph, "black", font, embedded_color=True)
    return None if image.getbbox() is None else image.crop(image.getbbox())


path = options.font or find_font()
pictures = None
if path is not None:
    font = load_font(path)
    pictures = [render(glyph, font) for glyph in glyphs]
    # older fonts lack the latest emoji
    there = np.array([picture is not None for picture in pictures])
    pictures = [picture for picture in pictures if picture is not None]
    groups, factors = groups[there], factors[there]
    print(f"{Path(path).name} has {len(pictures)} of them")

# %%
# Places in the plane
# -------------------
#
# t-SNE keeps neighbours together. Glyphs that would lie on each other are pushed apart.

# inches
SIZE = np.array([9.0, 7.0])
GLYPH = 0.46

plane = TSNE(metric="cosine", perplexity=25, method="exact", random_state=0).fit_transform(
    normalize(factors)
)
# images with the same keywords have the same factors, and nothing would part them
plane += np.random.default_rng(0).normal(scale=0.01, size=plane.shape)
low, high = plane.min(axis=0), plane.max(axis=0)
plane = GLYPH / 2 + (plane - low) / (high - low) * (SIZE - GLYPH)
for _ in range(500):
    away = plane[:, None] - plane[None]
    distance = np.linalg.norm(away, axis=2)
    np.fill_diagonal(distance, np.inf)
    push = np.maximum(1.02 * GLYPH / distance - 1, 0)
    step = 0.3 * (away * push[:, :, None]).sum(axis=1)
    plane = np.clip(plane + np.clip(step, -GLYPH, GLYPH), GLYPH / 2, SIZE - GLYPH / 2)

# %%
# The map
# -------

figure, axes = plt.subplots(figsize=(SIZE[0], SIZE[1] + 1), layout="constrained")
# the muted colours of Paul Tol, which can be told apart with any colour vision
COLOURS = [
    "#CC6677", "#332288", "#DDCC77", "#117733", "#88CCEE",
    "#882255", "#44AA99", "#999933", "#AA4499",
]  # fmt: skip
# areas of markers are in square points, of which 72 make an inch
disc = {"s": 60} if pictures is None else {"s": (72 * GLYPH) ** 2, "alpha": 0.25, "lw": 0}
for number, name in enumerate(GROUPS):
    x, y = plane[groups == number].T
    axes.scatter(x, y, color=COLOURS[number], clip_on=False, **disc)
    axes.scatter([], [], color=COLOURS[number], label=name)
for picture, position in zip(pictures or [], plane, strict=False):
    zoom = 0.72 * 72 * GLYPH / max(picture.size)
    box = OffsetImage(np.asarray(picture), zoom=zoom, interpolation="hanning")
    axes.add_artist(AnnotationBbox(box, position, frameon=False, pad=0))
axes.set(xlim=(0, SIZE[0]), ylim=(0, SIZE[1]), aspect="equal")
axes.axis("off")
figure.suptitle("Emoji that the model has not seen lie beside their like", size=14)
figure.legend(
    title="keyword that was hidden from the model",
    loc="outside lower center",
    ncols=len(GROUPS),
    frameon=False,
    handletextpad=0,
    columnspacing=1.2,
)
if options.out:
    figure.savefig(options.out, dpi=90)
else:
    plt.show()

# %%
# (Glyphs in the documentation: Noto Color Emoji, SIL Open Font License 1.1.)
