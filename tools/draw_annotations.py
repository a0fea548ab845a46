"""Draw some emoji with the keywords that are known and those that are suggested.

    python tools/draw_annotations.py FONT docs/figures/annotate_emoji.png

FONT is the file of a colour emoji font of bitmaps, such as NotoColorEmoji.ttf. The model and the
split are those of examples/annotate_emoji.py.
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.offsetbox import AnnotationBbox, HPacker, OffsetImage, TextArea
from PIL import Image, ImageDraw, ImageFont

from vseens_rec import VSEens
from vseens_rec.datasets import load_emoji
from vseens_rec.model_selection import leave_one_out_split

# drawn at random from those with some keywords left: the picture promises no more than holds
SHOWN, MIN_KNOWN = 7, 4
# the one size that fonts of bitmaps have
FONT_SIZE = 109
KNOWN, SUGGESTED, FOUND = "#666666", "#222222", "#00695c"


def render(glyph, font):
    """Draw a glyph as an array of pixels."""
    image = Image.new("RGBA", (2 * FONT_SIZE, 2 * FONT_SIZE))
    ImageDraw.Draw(image).text((10, 10), glyph, "black", font, embedded_color=True)
    return np.asarray(image.crop(image.getbbox()))


def words(parts):
    """Lay out words of several colours and weights in a line."""
    areas = [
        TextArea(text, textprops={"color": color, "weight": weight, "size": 11})
        for text, color, weight in parts
    ]
    return HPacker(children=areas, pad=0, sep=6, align="baseline")


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("font")
    parser.add_argument("out")
    options = parser.parse_args()
    font = ImageFont.truetype(options.font, FONT_SIZE)
    emoji = load_emoji()
    train, test = leave_one_out_split(emoji.matrix, random_state=0)
    model = VSEens(iterations=100, regularization=0.05, random_state=0, num_threads=1)
    model.fit(train, show_progress=False)

    candidates = [
        image
        for image in np.flatnonzero((train.getnnz(axis=1) >= MIN_KNOWN) & (test.getnnz(axis=1) > 0))
        # pictures, not symbols of text, and one character each
        if len(emoji.images[image]) == 1 and emoji.images[image] >= "\U0001f000"
    ]
    images = np.random.default_rng(0).choice(candidates, SHOWN, replace=False)
    figure, axes = plt.subplots(figsize=(8, 5.2), layout="constrained")
    axes.set(xlim=(0, 8), ylim=(-0.4, SHOWN - 0.4))
    axes.axis("off")
    for row, image in enumerate(images):
        ids, _ = model.recommend(image, N=6)
        hidden = set(test[image].indices)
        known = ", ".join(emoji.labels[train[image].indices])
        suggested = [
            (emoji.labels[label], FOUND, "bold") if label in hidden
            else (emoji.labels[label], SUGGESTED, "normal")
            for label in ids
        ]  # fmt: skip
        picture = OffsetImage(render(emoji.images[image], font), zoom=0.36, interpolation="hanning")
        axes.add_artist(AnnotationBbox(picture, (0.4, row), frameon=False))
        for height, line in (
            (0.2, words([("known", KNOWN, "normal"), (known, KNOWN, "normal")])),
            (-0.2, words([("suggested", KNOWN, "normal"), *suggested])),
        ):
            axes.add_artist(
                AnnotationBbox(line, (0.95, row + height), box_alignment=(0, 0.5), frameon=False)
            )
    axes.set_title("What VSEens suggests for emoji drawn at random; green was held out", size=13)
    figure.savefig(options.out, dpi=110)


if __name__ == "__main__":
    main()
