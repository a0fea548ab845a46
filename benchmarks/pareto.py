"""NDCG and recall against seconds of training, for this library and its peers, all of them tuned.

    python benchmarks/pareto.py --data FOLDER [FOLDER ...] --out FOLDER [--lightfm-python PYTHON]
        [--sets mirflickr25k gowalla] [--methods "VSEens()" EASE] [--settings 12] [--seconds 30]
        [--seeds 3] [--threads 2]

The peers are factor models (implicit 0.7.3, irspack 0.5.2, LightFM 1.17), item-item models (EASE
and EDLAE by their closed forms, irspack's SLIM and RP3beta, SANSA 1.1) and neighbours (implicit's
cosine and BM25). LightFM needs an older Cython to build, so it may live in an environment of its
own, with numpy and scipy, whose interpreter is given; without it LightFM is left out. SANSA needs
scikit-sparse, which needs SuiteSparse. A method of labels x labels is left out where there are
more than 6,000.

A folder has data sets of common.py. Of the images one label is held out for the test, and one
more of what is left for validation. Gowalla brings its validation part; other sets of users give a
fifth of every user's training pairs.

Every method gets the same number of random settings out of the spaces in contestants.py, those
without factors, which learn in a fraction of the time, three times as many. Each of them is trained
on what validation leaves, for --seconds at most, and measured at growing numbers of epochs; what
has no epochs is trained once. For every budget of seconds, validation chooses the setting and the
epochs among those that took no longer. They are trained anew on the whole training part with
several seeds and measured on the test, whose labels no choice has seen: the seeds change the
training, not the split. That part is larger, so these seconds can exceed the budget. Every method
also runs at its defaults. Only training counts as seconds, initialisation included; nothing else
should run at the same time.

Writes pareto.csv, every measured point in a row, and pareto.png, and prints a table. What is in
pareto.csv is not run again: delete the rows of a method to measure it anew.
"""

import argparse
import csv
import json
import sys
from pathlib import Path
from statistics import mean, pstdev

from common import IMAGES, USERS, add_data, has, length_of, parts_of
from contestants import LIGHTFM, METHODS, OURS, PEERS, settings_of
from jobs import Jobs

BUDGETS = [0.05, 0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 30, 60, 120, 240]
COLUMNS = {
    "data": str, "method": str, "part": str, "seed": int, "threads": int, "limit": float,
    "setting": str, "epochs": int, "seconds": float, "ndcg": float, "recall": float,
}  # fmt: skip


SETS = (*IMAGES, *USERS)


def factors_of(data):
    """The numbers of factors to choose from."""
    return [64, 128, 256] if data in IMAGES else [64, 128]


class Results:
    """The rows of pareto.csv."""

    def __init__(self, path):
        self.path, self.rows = path, []
        if path.exists():
            with open(path, newline="") as file:
                self.rows = [
                    {name: kind(row[name]) for name, kind in COLUMNS.items()}
                    for row in csv.DictReader(file)
                ]

    def find(self, **wanted):
        """Rows with these values."""
        return [row for row in self.rows if all(row[key] == wanted[key] for key in wanted)]

    def add(self, rows):
        """Append rows, all those of a job at once, so that no job counts as done in part."""
        new = not self.path.exists()
        with open(self.path, "a", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            if new:
                writer.writeheader()
            writer.writerows(rows)
        self.rows += rows


class Bench:
    """Runs the jobs of one data set that are not in the results yet."""

    def __init__(self, data, options, results, jobs):
        self.data, self.options, self.results, self.jobs = data, options, results, jobs

    def run(self, method, part, setting, seed=0, **asked):
        """Run a job and add its rows; `part` is validation, test or default."""
        measured = "validation" if part == "validation" else "test"
        points = self.jobs.run(method, measured, setting, seed, **asked)
        if points is None:
            return
        self.results.add([self.key(method, part, setting, seed) | point for point in points])
        best = max(points, key=lambda point: point["ndcg"])
        print(
            f"{self.data}: {method}, {part}, seed {seed}, {json.dumps(setting)}: NDCG "
            f"{best['ndcg']:.4f} after {best['epochs']} epochs, {best['seconds']:.2f} s",
            file=sys.stderr,
        )

    def seeds_of(self, method):
        """The seeds to train with: only factors begin with random numbers."""
        return range(self.options.seeds if METHODS[method].has_factors else 1)

    def key(self, method, part, setting, seed=0):
        """The columns that name a job."""
        return {
            "data": self.data,
            "method": method,
            "part": part,
            "seed": seed,
            "threads": self.options.threads,
            "limit": self.options.seconds,
            "setting": json.dumps(setting, sort_keys=True),
        }

    def chosen(self, method):
        """By budget, the row of the best setting and number of epochs on validation."""
        budgets = [b for b in BUDGETS if b < self.options.seconds] + [self.options.seconds]
        settings = settings_of(METHODS[method], factors_of(self.data), self.options.settings)
        rows = []
        for setting in settings:
            key = self.key(method, "validation", setting)
            if not self.results.find(**key):
                self.run(method, "validation", setting, budgets=budgets)
            rows += [row for row in self.results.find(**key) if row["epochs"]]
        found = {}
        for budget in budgets:
            affordable = [row for row in rows if row["seconds"] <= budget]
            if affordable:
                found[budget] = max(affordable, key=lambda row: row["ndcg"])
        return found

    def test(self, method, chosen):
        """Train chosen rows anew, those of one setting in one job, with every seed."""
        wanted = {}
        for row in chosen.values():
            wanted.setdefault(row["setting"], set()).add(row["epochs"])
        for setting, epochs in wanted.items():
            for seed in self.seeds_of(method):
                key = self.key(method, "test", json.loads(setting), seed)
                missing = epochs - {row["epochs"] for row in self.results.find(**key)}
                if missing:
                    self.run(method, "test", json.loads(setting), seed, epochs=sorted(missing))

    def run_defaults(self, method):
        """Train at the defaults with every seed."""
        for seed in self.seeds_of(method):
            if not self.results.find(**self.key(method, "default", METHODS[method].fixed, seed)):
                self.run(method, "default", METHODS[method].fixed, seed)

    def summary(self, method, part, setting, **wanted):
        """Means over the seeds and the deviation of NDCG; None if nothing was measured."""
        keys = [self.key(method, part, setting, seed) for seed in self.seeds_of(method)]
        rows = [row for key in keys for row in self.results.find(**key, **wanted)]
        if not rows:
            return None
        means = {name: mean(row[name] for row in rows) for name in ("seconds", "ndcg", "recall")}
        deviation = pstdev(row["ndcg"] for row in rows)
        return means | {"deviation": deviation, "epochs": rows[0]["epochs"], "setting": setting}

    def compare(self, method):
        """Run what is missing of a method; its summaries by budget, None for the defaults."""
        chosen = self.chosen(method)
        self.test(method, chosen)
        found = {
            budget: self.summary(method, "test", json.loads(row["setting"]), epochs=row["epochs"])
            for budget, row in chosen.items()
        }
        # a contestant with a space is no default of the library
        if method in PEERS or not METHODS[method].space:
            self.run_defaults(method)
            found[None] = self.summary(method, "default", METHODS[method].fixed)
        return {budget: summary for budget, summary in found.items() if summary}


def print_table(data, found):
    """One line a method and budget."""
    length = length_of(data)
    print(
        f"\n{data}\n{'method':16}{'budget':>8}{'seconds':>9}"
        f"{f'NDCG@{length}':>17}{f'recall@{length}':>11}{'epochs':>8}  setting"
    )
    for method, summaries in found.items():
        for budget, row in summaries.items():
            setting = " ".join(f"{name}={value}" for name, value in row["setting"].items())
            print(
                f"{method:16}{'default' if budget is None else f'{budget:g}':>8}"
                f"{row['seconds']:9.2f}{row['ndcg']:9.4f} ±{row['deviation']:.4f}"
                f"{row['recall']:11.4f}{row['epochs']:8}  {setting}",
                flush=True,
            )


OUR_COLOURS = ["#d62728", "#ff7f0e", "#8c1a4b", "#e377c2", "#a0522d", "#c9a400"]
PEER_COLOURS = ["#1f5fa8", "#4fb3d9", "#2a7f3f", "#7d5fb2", "#8a8a8a", "#1a1a1a"]


def draw(found, path):
    """One panel a data set, our lines thick and warm, defaults as hollow points."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    columns = min(len(found), 3)
    rows = -(-len(found) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(6.4 * columns, 4.8 * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(found) :]:
        axis.remove()
    for axis, (data, methods) in zip(axes.flat, found.items(), strict=False):
        draw_panel(axis, methods)
        axis.set_title(data, loc="left", fontweight="bold")
        axis.set_xlabel("seconds of training")
        axis.set_ylabel(f"NDCG@{length_of(data)}")
    figure.supxlabel("hollow: at the defaults", fontsize="medium", color="#555555")
    figure.savefig(path, dpi=150)


def style_of(method):
    """Colour and weight of a method, whatever methods are shown with it."""
    ours = method in OURS
    names, colours = (list(OURS), OUR_COLOURS) if ours else (list(PEERS), PEER_COLOURS)
    colour = colours[names.index(method) % len(colours)]
    return {"color": colour, "lw": 3 if ours else 1.4, "zorder": 3 if ours else 2}


def spread(places, gap):
    """Move sorted places apart, none above 1."""
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    ceiling = 1.0
    for i in reversed(range(len(places))):
        places[i] = min(places[i], ceiling)
        ceiling = places[i] - gap
    return places


def draw_panel(axis, methods):
    """Lines with their names at the right, in the order of their ends."""
    from matplotlib.ticker import LogLocator

    ends, ys = {}, []
    for method, summaries in methods.items():
        points = {key: (row["seconds"], row["ndcg"]) for key, row in summaries.items()}
        default = points.pop(None, None)
        style, curve = style_of(method), sorted(points.values())
        if curve:
            axis.plot(*zip(*curve, strict=True), "o-", ms=4, **style)
            ends[method] = curve[-1]
        if default:
            axis.plot(*default, "D", ms=7, mfc="none", mew=1.6, **style)
            ends.setdefault(method, default)
            ys.append(default[1])
        ys += [y for _, y in curve]
    if not ends:
        return
    # earlier points and defaults below all ends would flatten the rest
    low, high = min(y for _, y in ends.values()), max(ys)
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low) + 1e-9
    axis.set_ylim(low, high)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=[1, 2, 5]))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("")
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    ends = dict(sorted(ends.items(), key=lambda pair: pair[1][1]))
    places = spread([(y - low) / (high - low) for _, y in ends.values()], 0.055)
    for (method, end), place in zip(ends.items(), places, strict=True):
        colour = style_of(method)["color"]
        axis.annotate(
            method,
            xy=end,
            xytext=(1.04, place),
            textcoords="axes fraction",
            color=colour,
            fontweight="bold" if method in OURS else "normal",
            va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.7, "ls": ":"},
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data(parser, SETS)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--settings", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--lightfm-python", type=Path)
    options = parser.parse_args()
    methods = options.methods
    if not options.lightfm_python and not LIGHTFM.keys().isdisjoint(methods):
        print("LightFM is left out: it needs --lightfm-python")
        methods = [method for method in methods if method not in LIGHTFM]
    options.out.mkdir(parents=True, exist_ok=True)
    results = Results(options.out / "pareto.csv")
    found = {}
    for data in options.sets:
        if not has(options.data, data):
            print(f"{data} is left out: it is not in {' or '.join(map(str, options.data))}")
            continue
        parts = parts_of(options.data, data)
        fitting = [
            method for method in methods if METHODS[method].most_labels >= parts["test"][0].shape[1]
        ]
        with Jobs(parts, length_of(data), options.threads, options.lightfm_python) as jobs:
            bench = Bench(data, options, results, jobs)
            found[data] = {method: bench.compare(method) for method in fitting}
        print_table(data, found[data])
    try:
        draw(found, options.out / "pareto.png")
    except ImportError:
        print("no picture: it needs matplotlib, pip install matplotlib")


if __name__ == "__main__":
    main()
