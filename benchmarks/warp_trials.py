"""Trials that WARP needs to find a violator, epoch by epoch (Figure 1 of the paper).

    python benchmarks/warp_trials.py --data FOLDER [--sets mirflickr25k harrison]

FOLDER has the data sets of common.py. Writes warp_trials.csv and, with matplotlib,
warp_trials.png.
"""

import argparse
import csv
from pathlib import Path

from common import add_data, load_images

from vseens_rec import WARP
from vseens_rec.model_selection import leave_one_out_split

SETS = ("mirflickr25k", "harrison", "coco80", "nuswide81")


def trials_by_epoch(matrix, epochs):
    """Mean trials of a positive in every epoch, with no limit but the number of labels."""
    train, _ = leave_one_out_split(matrix, random_state=0)
    model = WARP.paper(iterations=epochs, random_state=0)
    model.fit(train, show_progress=False)
    return model.history_["trials"]


def draw(curves, path):
    """Draw one line a data set, on a logarithmic scale."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for name, trials in curves.items():
        (line,) = axes.plot(range(1, len(trials) + 1), trials)
        axes.annotate(f" {name}", (len(trials), trials[-1]), color=line.get_color(), va="center")
    axes.set(
        xlabel="epoch",
        ylabel="trials for a positive (mean)",
        yscale="log",
        title="WARP draws more and more labels to find one that violates",
    )
    axes.set_xlim(1, len(trials) * 1.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data(parser, SETS, ["mirflickr25k", "harrison"])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("docs/figures"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    curves = {
        name: trials_by_epoch(load_images(options.data, name), options.epochs)
        for name in options.sets
    }
    with open(options.out / "warp_trials.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *curves])
        for epoch, row in enumerate(zip(*curves.values(), strict=True), start=1):
            writer.writerow([epoch, *(f"{value:.2f}" for value in row)])
    for name, trials in curves.items():
        shown = ", ".join(f"{trials[i]:.1f}" for i in sorted({0, 4, 9, options.epochs - 1})
                          if i < len(trials))  # fmt: skip
        print(f"{name}: trials in epochs 1, 5, 10, {options.epochs}: {shown}")
    try:
        draw(curves, options.out / "warp_trials.png")
    except ImportError:
        print("no picture: it needs matplotlib, pip install matplotlib")


if __name__ == "__main__":
    main()
