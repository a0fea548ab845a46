"""How seconds and memory grow with the pairs and with the labels.

    python benchmarks/growth.py [--pairs 1e6 1e7 1e8] [--labels 1e3 1e4 1e5 1e6] [--openimages]
        [--threads 2] [--factors 100] [--init random] [--rank-scale 0.1]

Every line is a process of its own. Over the pairs: nanoseconds a pair in the second epoch of
adaptive sampling with one candidate, 9 pairs an image and 6,000 labels, and the peak of memory over
what has to be there: the matrix, the factors in float32 and the rank table. Over the labels:
nanoseconds a draw, seconds to sort the labels by every factor, and the share of that in the time
between two refreshes of the default interval, at the nanoseconds that a pair takes with as many
labels. --openimages: 9 million images, 20,000 labels, 70 million pairs, one epoch.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import threading
import time

import numpy as np

from vseens_rec import AdaptiveSampler, VSEens
from vseens_rec.choices import Adaptive
from vseens_rec.datasets import make_annotations

SETTING = {"selection": "first", "fold_in_users": False, "random_state": 0}
DRAWS = 2_000_000


def resident():
    """Bytes in memory now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


class Peak:
    """The most memory while it is open, looked at a hundred times a second."""

    def __enter__(self):
        self.bytes, self.open = resident(), True
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        """Look again and again."""
        while self.open:
            self.bytes = max(self.bytes, resident())
            time.sleep(0.01)

    def __exit__(self, *_):
        self.open = False
        self.thread.join()


def fit(job):
    """Two epochs, or one for OpenImages: nanoseconds a pair of the last, and memory."""
    matrix = make_annotations(job["images"], job["labels"], job["pairs"], random_state=0)
    before = resident() - matrix.data.nbytes - matrix.indices.nbytes - matrix.indptr.nbytes
    model = VSEens(
        factors=job["factors"],
        iterations=job["epochs"],
        num_threads=job["threads"],
        init=job["init"],
        sampler=Adaptive(job["rank_scale"]),
        **SETTING,
    )
    started = time.perf_counter()
    with Peak() as peak:
        model.fit(matrix, show_progress=False)
    needed = matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes
    needed += 4 * sum(matrix.shape) * (job["factors"] + 1)
    depth = min(2 * math.ceil(10 * job["rank_scale"] * job["labels"]), job["labels"])
    needed += (2 if job["labels"] <= 2**16 else 4) * depth * (job["factors"] + 1)
    return {
        "fit_seconds": time.perf_counter() - started,
        "nanoseconds_a_pair": model.history_["seconds"][-1] / matrix.nnz * 1e9,
        "peak_gib": (peak.bytes - before) / 2**30,
        "over_what_is_needed": (peak.bytes - before) / needed,
    }


def draw(job):
    """Nanoseconds a draw and seconds of a refresh."""
    generator = np.random.default_rng(0)
    items = generator.normal(size=(job["labels"], job["factors"])).astype(np.float32)
    users = generator.normal(size=(DRAWS // 10, job["factors"])).astype(np.float32)
    sampler = AdaptiveSampler(items, rank_scale=job["rank_scale"], random_state=0)
    sampler.sample(users[:1000], 10)
    started = time.perf_counter()
    sampler.sample(users, 10)
    drawn = time.perf_counter() - started
    started = time.perf_counter()
    sampler.refresh(items)
    return {
        "nanoseconds_a_draw": drawn / DRAWS * 1e9,
        "refresh_seconds": time.perf_counter() - started,
    }


def run(kind, **job):
    """Run a job in a process of its own."""
    found = subprocess.run(
        [sys.executable, __file__, "--worker"],
        input=json.dumps({"kind": kind} | job),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(found.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=float, nargs="*", default=[1e6, 1e7, 1e8])
    parser.add_argument("--labels", type=float, nargs="*", default=[1e3, 1e4, 1e5, 1e6])
    parser.add_argument("--openimages", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--factors", type=int, default=100)
    parser.add_argument("--init", choices=["random", "spectral"], default="random")
    parser.add_argument("--rank-scale", type=float, default=0.1)
    options = parser.parse_args()
    shared = {name: vars(options)[name] for name in ("threads", "factors", "rank_scale")}
    sizes = [(round(n / 9), 6000, round(n), 2) for n in options.pairs]
    if options.openimages:
        sizes.append((9_000_000, 20_000, 70_000_000, 1))
    for images, labels, pairs, epochs in sizes:
        size = {"images": images, "labels": labels, "pairs": pairs, "epochs": epochs}
        found = run("fit", **size, **shared, init=options.init)
        print(
            f"{images:,} x {labels:,}, {pairs:,} pairs: {found['nanoseconds_a_pair']:.0f} ns a "
            f"pair, fit of {epochs} epochs {found['fit_seconds']:.1f} s, "
            f"peak {found['peak_gib']:.2f} GiB, "
            f"{found['over_what_is_needed']:.2f} of what is needed",
            flush=True,
        )
    for labels in map(round, options.labels):
        found = run("draw", labels=labels, **shared)
        size = {"images": 111_111, "labels": labels, "pairs": 1_000_000, "epochs": 2}
        pair = run("fit", **size, **shared, init=options.init)["nanoseconds_a_pair"]
        training = 8 * labels * math.log(labels) * pair * 1e-9
        share = found["refresh_seconds"] / (found["refresh_seconds"] + training)
        print(
            f"{labels:,} labels: {found['nanoseconds_a_draw']:.0f} ns a draw, sorted in "
            f"{found['refresh_seconds']:.3f} s, {pair:.0f} ns a pair, {share:.0%} of the time "
            "between two refreshes",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:] == ["--worker"]:
        asked = json.loads(sys.stdin.read())
        print(json.dumps({"fit": fit, "draw": draw}[asked["kind"]](asked)))
    else:
        main()
