"""The defaults on every set beside tuned peers: NDCG, recall and seconds.

    python benchmarks/every_set.py --data FOLDER [FOLDER ...] --out every_set.csv
        [--sets ml1m delicious] [--methods "VSEens()" "EASE tuned"] [--seeds 3] [--settings 12]
        [--threads 1]
    python benchmarks/every_set.py --out every_set.csv --table

A folder has data sets of common.py; those that are missing are left out. Of images one label is
held out, another one with every seed, and NDCG@10 is measured. Sets of users bring their split, and
NDCG@20 is measured; seeds change the training alone.

Every factor model of contestants.py gets the same number of random settings out of its space, and
every other peer three times as many, since it learns in a fraction of the time. They are compared
on labels that are held out of the training part of seed 0 once more, after several numbers of
epochs where there are epochs; the best learns from the training part of every seed. A method of
labels x labels is left out where there are more than 6,000. What is in the file is not run again.

--table prints the means over the seeds, and by how much VSEens() is above the best peer.
"""

import argparse
import csv
import json
import time
import warnings
from pathlib import Path
from statistics import mean

from common import IMAGES, USERS, has, length_of, parts_of
from contestants import LIGHTFM, METHODS, MOST_LABELS_OF_INVERSE, PEERS, settings_of
from jobs import Jobs

import vseens_rec
from vseens_rec import Popularity, VSEens
from vseens_rec.metrics import ranking_metrics

PRESETS = ("SampledSoftmax", "BPR", "AoBPR", "WARP", "DNS", "NaiveRank")
TUNED = {f"{name} tuned": name for name in PEERS if name not in LIGHTFM}
OURS = (
    "VSEens()", "factors alone", *(f"{name}()" for name in PRESETS), "VSEens.paper()",
    "EDLAE()", "SparseEASE()",
)  # fmt: skip
ALL = ("popularity", *OURS, *TUNED)
EPOCHS = (4, 8, 16, 32, 64)
FACTORS = (64, 128, 256)
COLUMNS = ("data", "method", "seed", "ndcg", "recall", "seconds", "setting")


def make(method, seed, threads):
    """Make a model of this library."""
    if method == "popularity":
        return Popularity(num_threads=threads)
    if method in ("EDLAE()", "SparseEASE()"):
        return getattr(vseens_rec, method.removesuffix("()"))(num_threads=threads)
    shared = {"random_state": seed, "num_threads": threads}
    if method == "VSEens.paper()":
        return VSEens.paper(**shared)
    if method == "factors alone":
        return VSEens(item_item=None, **shared)
    return getattr(vseens_rec, method.removesuffix("()"))(**shared)


def run_ours(method, parts, length, seed, threads):
    """Fit at the defaults; the row of the file."""
    train, test = parts["test"]
    model = make(method, seed, threads)
    started = time.perf_counter()
    model.fit(train, show_progress=False)
    seconds = time.perf_counter() - started
    found = ranking_metrics(model, train, test, [f"ndcg@{length}", f"recall@{length}"])
    ndcg, recall = found.values()
    return {"ndcg": ndcg, "recall": recall, "seconds": seconds, "setting": "{}"}


def choose(jobs, peer, settings):
    """Return the setting and the number of epochs that rank highest on validation."""
    asked = {"epochs": EPOCHS} if METHODS[peer].has_factors else {}
    found = []
    for setting in settings:
        points = jobs.run(peer, "validation", setting, **asked) or []
        found += [(point["ndcg"], point["epochs"], setting) for point in points]
    _, epochs, setting = max(found, key=lambda point: point[0])
    return setting, epochs


def run_peer(jobs, peer, setting, epochs, seed):
    """Train with the chosen setting; the row of the file."""
    asked = {"epochs": [epochs]} if METHODS[peer].has_factors else {}
    (point,) = jobs.run(peer, "test", setting, seed, **asked)
    setting = {**setting, "epochs": epochs} if METHODS[peer].has_factors else setting
    names = ("ndcg", "recall", "seconds")
    return {name: point[name] for name in names} | {"setting": json.dumps(setting)}


class File:
    """The rows that were measured."""

    def __init__(self, path):
        self.path, self.rows = path, []
        if path.exists():
            with path.open(newline="") as file:
                self.rows = list(csv.DictReader(file))
        else:
            path.write_text(",".join(COLUMNS) + "\n")

    def find(self, data, method, seed=None):
        """Rows of a method, of one seed or of all."""
        return [
            row
            for row in self.rows
            if (row["data"], row["method"]) == (data, method) and seed in (None, int(row["seed"]))
        ]

    def chosen(self, data, method):
        """The setting and the epochs that seed 0 was measured with, None before."""
        rows = self.find(data, method, 0)
        if not rows:
            return None
        setting = json.loads(rows[0]["setting"])
        return setting, setting.pop("epochs", 1)

    def add(self, row):
        """Append one and print it."""
        row |= {name: f"{row[name]:.5f}" for name in ("ndcg", "recall")}
        row |= {"seconds": f"{row['seconds']:.2f}", "seed": str(row["seed"])}
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, COLUMNS).writerow(row)
        self.rows.append(row)
        print(*(f"{row[name]:>14}" for name in COLUMNS), flush=True)


def measure_set(data, options, file):
    """Run what is missing of a set."""
    for seed in range(options.seeds):
        parts = parts_of(options.data, data, seed)
        n_labels = parts["test"][0].shape[1]
        with Jobs(parts, length_of(data), options.threads) as jobs:
            for method in options.methods:
                most = METHODS[TUNED[method]].most_labels if method in TUNED else 10**9
                if method == "EDLAE()":
                    most = MOST_LABELS_OF_INVERSE
                if n_labels > most or file.find(data, method, seed):
                    continue
                if method not in TUNED:
                    row = run_ours(method, parts, length_of(data), seed, options.threads)
                else:
                    peer = TUNED[method]
                    setting, epochs = file.chosen(data, method) or choose(
                        jobs, peer, settings_of(METHODS[peer], FACTORS, options.settings)
                    )
                    row = run_peer(jobs, peer, setting, epochs, seed)
                file.add({"data": data, "method": method, "seed": seed} | row)


def print_table(file):
    """Means over seeds: a line a set, and by how much VSEens() is above the best peer."""
    names = [name for name in ALL if any(row["method"] == name for row in file.rows)]
    widths = [max(7, len(name)) for name in names]
    print(f"{'data':18}", *(f"{name:>{width}}" for name, width in zip(names, widths, strict=True)))
    for data in dict.fromkeys(row["data"] for row in file.rows):
        found = {
            name: mean(float(row["ndcg"]) for row in file.find(data, name))
            for name in names
            if file.find(data, name)
        }
        peers = {name: value for name, value in found.items() if name in TUNED}
        line = ""
        if peers and "VSEens()" in found:
            best = max(peers, key=peers.get)
            line = f"{found['VSEens()'] / peers[best] - 1:+.1%} {best}"
        cells = (
            f"{found[name]:>{width}.4f}" if name in found else " " * width
            for name, width in zip(names, widths, strict=True)
        )
        print(f"{data:18}", *cells, line)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", default=[])
    parser.add_argument("--out", type=Path, required=True)
    sets = [*IMAGES, *USERS]
    parser.add_argument("--sets", nargs="+", default=sets, choices=sets)
    parser.add_argument("--methods", nargs="+", default=ALL, choices=ALL)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--settings", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    file = File(options.out)
    if not options.table:
        for data in options.sets:
            if has(options.data, data):
                measure_set(data, options, file)
    print_table(file)


if __name__ == "__main__":
    main()
