"""
A map of emoji
==============

Train on half of the emoji, compute the factors of some of the others with `transform`, and draw
them in the plane. The keyword that names their group, such as "animal", is hidden: where they land
follows from their other keywords alone.

    python examples/embed_emoji.py
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.manifold import TSNE
from sklearn.preprocessing import normalize

from vseens_rec import VSEens
from vseens_rec.datasets import load_emoji

GROUPS = ["animal", "food", "heart", "clothing", "sport", "music", "clock", "weather", "zodiac"]
COLOUR_FONTS = ("notocoloremoji", "applecoloremoji", "seguiemj", "twemoji")
# colour fonts of bitmaps have one size only
FONT_SIZES = (109, 160, 136, 72)
MISSING_FONT = """\
No colour emoji font was found, so that emoji are drawn as dots. To get one: on Debian and Ubuntu
apt-get install fonts-noto-color-emoji, on Fedora dnf install google-noto-color-emoji-fonts, or
download NotoColorEmoji.ttf from github.com/googlefonts/noto-emoji and pass --font FILE."""

# inches
WIDTH, HEIGHT = 9.0, 7.0
GLYPH = 0.46


def choose(emoji, images):
    """Return those of the images that are in just one group, their groups and other keywords.

    Images with no other keyword are left out, and those of several characters, which not every
    program draws as one glyph.
    """
    columns = [int(np.flatnonzero(emoji.labels == name)[0]) for name in GROUPS]
    member = emoji.matrix[images][:, columns].toarray() > 0
    others = np.ones(len(emoji.labels))
    others[columns] = 0
    known = emoji.matrix[images].multiply(others).tocsr()
    known.eliminate_zeros()
    single = np.array([len(glyph) == 1 for glyph in emoji.images[images]])
    fits = single & (member.sum(axis=1) == 1) & (known.getnnz(axis=1) > 0)
    return images[fits], member[fits].argmax(axis=1), known[fits], columns


def place(factors):
    """Return positions in the plane, in inches, at which no two glyphs overlap."""
    tsne = TSNE(metric="cosine", perplexity=25, method="exact", random_state=0)
    plane = tsne.fit_transform(normalize(factors))
    # images with the same keywords have the same factors, and nothing would part them
    plane += np.random.default_rng(0).normal(scale=0.01, size=plane.shape)
    low, high = plane.min(axis=0), plane.max(axis=0)
    size = np.array([WIDTH, HEIGHT])
    plane = GLYPH / 2 + (plane - low) / (high - low) * (size - GLYPH)
    for _ in range(500):
        away = plane[:, None] - plane[None]
        distance = np.linalg.norm(away, axis=2)
        np.fill_diagonal(distance, np.inf)
        push = np.maximum(1.02 * GLYPH / distance - 1, 0)
        step = 0.3 * (away * push[:, :, None]).sum(axis=1)
        plane = np.clip(plane + np.clip(step, -GLYPH, GLYPH), GLYPH / 2, size - GLYPH / 2)
    return plane


def find_font():
    """Return the file of a colour emoji font, or None."""
    from matplotlib.font_manager import findSystemFonts

    for path in sorted(findSystemFonts()):
        if Path(path).stem.lower().startswith(COLOUR_FONTS):
            return path
    return None


def load_font(path):
    """Open a font at the first size that it has."""
    from PIL import ImageFont

    for size in FONT_SIZES:
        try:
            return ImageFont.truetype(path, size)
        except OSError as error:
            reason = error
    raise SystemExit(f"cannot use the font {path}: {reason}")


def render(glyph, font):
    """Draw a glyph into an image of its own size; None if the font does not have it."""
    from PIL import Image, ImageDraw

    left, top, right, bottom = font.getbbox(glyph)
    image = Image.new("RGBA", (max(right - left, 1), max(bottom - top, 1)))
    ImageDraw.Draw(image).text((-left, -top), glyph, "black", font, embedded_color=True)
    return None if image.getbbox() is None else image.crop(image.getbbox())


def draw(images, groups, plane, path):
    """Draw images, or dots where there are none, over the colours of their groups."""
    import matplotlib.pyplot as plt
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    figure, axes = plt.subplots(figsize=(WIDTH, HEIGHT + 1), layout="constrained")
    colours = plt.get_cmap("tab10")
    # areas of markers are in square points, of which 72 make an inch
    disc = {"s": 60} if images is None else {"s": (72 * GLYPH) ** 2, "alpha": 0.25, "lw": 0}
    for number, name in enumerate(GROUPS):
        x, y = plane[groups == number].T
        axes.scatter(x, y, color=colours(number), clip_on=False, **disc)
        axes.scatter([], [], color=colours(number), label=name)
    for image, position in zip(images or [], plane, strict=False):
        zoom = 0.72 * 72 * GLYPH / max(image.size)
        box = OffsetImage(np.asarray(image), zoom=zoom, interpolation="hanning")
        axes.add_artist(AnnotationBbox(box, position, frameon=False, pad=0))
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT), aspect="equal")
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
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--out", type=Path, default=Path("docs/figures/embed_emoji.png"))
    parser.add_argument("--font", help="file of a colour emoji font")
    options = parser.parse_args()
    emoji = load_emoji()
    shuffled = np.random.default_rng(0).permutation(len(emoji.images))
    old, new = np.array_split(shuffled, 2)
    model = VSEens(regularization=0.05, iterations=100, random_state=0)
    model.fit(emoji.matrix[old], show_progress=False)
    chosen, groups, known, columns = choose(emoji, new)
    factors = model.transform(known)
    guessed = (factors @ model.item_factors[columns].T).argmax(axis=1)
    print(f"trained on {len(old)} emoji; {len(chosen)} others are placed, in {len(GROUPS)} groups")
    print(f"their hidden group scores highest of all groups for {(guessed == groups).mean():.0%}")
    try:
        images, path = None, options.font or find_font()
        if path is None:
            print(MISSING_FONT)
        else:
            font = load_font(path)
            images = [render(glyph, font) for glyph in emoji.images[chosen]]
            # older fonts lack the latest emoji
            there = np.array([image is not None for image in images])
            images = [image for image in images if image is not None]
            groups, factors = groups[there], factors[there]
            print(f"{Path(path).name} has {len(images)} of them")
        draw(images, groups, place(factors), options.out)
    except ImportError:
        print("no picture: it needs matplotlib, pip install vseens-rec[plot]")


if __name__ == "__main__":
    main()
