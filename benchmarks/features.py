"""Annotation of images never seen, by their features: Corel5k in its official split.

    python benchmarks/features.py --data FOLDER [--features 2 4] [--parts annotate warm speed]

FOLDER has `corel5k` as common.py does, and beside its matrices the whole counts of four histograms
by Guillaumin et al. (TagProp, ICCV 2009): features_DenseSift_DenseHue.npz and features_Rgb_Lab.npz,
with a row for each image. Every method gets the roots of their shares, so that distances are
Hellinger's.

annotate: average precision by image, and with five labels an image F1 of mean precision and mean
recall by label and how many labels are found at all (N+). The exponent of the prior, and what a
peer is tuned by, is chosen with 500 images of the training that a fit does not see. warm: NDCG@10
of one label that is hidden of every image that has others, by features, by features of other
images, and without. speed: pairs a second on one thread, k = 64. irspack is measured if it is
installed.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix, load_npz
from sklearn.linear_model import Ridge

from vseens_rec import LabelAnnotator, VSEens
from vseens_rec.choices import FeatureMap, Penalty
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split

HISTOGRAMS = {
    "2": [("DenseSift_DenseHue", ("DenseSift", "DenseHue"))],
    "4": [("DenseSift_DenseHue", ("DenseSift", "DenseHue")), ("Rgb_Lab", ("Rgb", "Lab"))],
}
# scores of some methods are between 0 and 1
EXPONENTS = np.concatenate([[0], np.geomspace(0.002, 2, 31)])
IN_VALIDATION = 500
LABELS_OF_IMAGE = 5


def load(folder, which):
    """Return labels of train and test, and their histograms one by one."""
    labels = [load_npz(folder / "corel5k" / f"{part}.npz").tocsr() for part in ("train", "test")]
    histograms = []
    for file, names in HISTOGRAMS[which]:
        stored = np.load(folder / "corel5k" / f"features_{file}.npz")
        for name in names:
            counts = [stored[f"{part}_{name}"].astype(np.float64) for part in ("train", "test")]
            histograms.append([np.sqrt(c / c.sum(axis=1, keepdims=True)) for c in counts])
    return labels, histograms


def measured(scores, labels, counts, exponent):
    """Return average precision by image without the prior, then F1 by label and N+ with it."""
    found = ranking_metrics(lambda rows: scores[rows], None, labels, "map")["map"]
    scores = scores - exponent * np.log(np.maximum(counts, 1))
    given = np.zeros(scores.shape, dtype=bool)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :LABELS_OF_IMAGE]
    np.put_along_axis(given, best, True, axis=1)
    true = labels.toarray() > 0
    right, asked = (given & true).sum(axis=0), true.any(axis=0)
    precision = (right / np.maximum(given.sum(axis=0), 1))[asked].mean()
    recall = (right / np.maximum(true.sum(axis=0), 1))[asked].mean()
    return found, 2 * precision * recall / max(precision + recall, 1e-12), int((right > 0).sum())


def distances(images, others):
    """Squared Hellinger distances, averaged over histograms (of one length all)."""
    return sum(1 - a @ b.T for a, b in zip(images, others, strict=True)) / len(images)


def jec(labels, train, asked, neighbors):
    """Labels of the nearest images, as many times as they come (Makadia et al., ECCV 2008)."""
    apart = distances(asked, train)
    nearest = np.argsort(apart, axis=1)[:, :neighbors]
    # nearer ones first, then what is popular
    weights = np.zeros(apart.shape)
    np.put_along_axis(weights, nearest, 1 / np.arange(1, neighbors + 1), axis=1)
    dense = labels.toarray() > 0
    return weights @ dense + 1e-6 * dense.mean(axis=0)


def two_pass_neighbors(labels, train, asked, sharpness, of_label=4):
    """Nearest images of each label, then a vote (2PKNN, Verma and Jawahar, ECCV 2012)."""
    apart, dense = distances(asked, train), labels.toarray() > 0
    chosen = np.zeros(apart.shape, dtype=bool)
    for label in np.flatnonzero(dense.any(axis=0)):
        images = np.flatnonzero(dense[:, label])
        nearest = np.argsort(apart[:, images], axis=1)[:, :of_label]
        np.put_along_axis(chosen, images[nearest], True, axis=1)
    votes = np.exp(-sharpness * apart) * chosen
    return np.log(votes @ dense + 1e-30)


def ridge_on_factors(labels, train, asked, penalty):
    """Factors by ids alone, and a ridge regression from features to them."""
    model = VSEens(item_item=None, random_state=0, num_threads=1)
    model.fit(labels, show_progress=False)
    learned = model.user_factors[:, :-1]
    users = Ridge(alpha=penalty).fit(train, learned).predict(asked)
    return np.column_stack([users, np.ones(len(users))]) @ model.item_factors.T


def ials(labels, train, asked, weights):
    """Let irspack learn feature-aware factors by alternating least squares."""
    from irspack.recommenders import IALSRecommender

    penalty, of_features, alpha = weights
    model = IALSRecommender(
        labels, n_components=128, reg=penalty, alpha0=alpha, user_features=csr_matrix(train),
        lambda_user_feature=of_features, n_threads=1, train_epochs=16,
    ).learn()  # fmt: skip
    return model.get_score_cold_user_from_features(csr_matrix(asked))


def annotator(**parameters):
    """Return what learns and scores, for ours."""

    def score(labels, train, asked, _):
        model = LabelAnnotator(VSEens(random_state=0, num_threads=1, **parameters))
        return model.fit(train, labels).decision_function(asked)

    return score


OURS = {
    "loss": "softmax",
    "sampler": "uniform",
    "candidates": 50,
    "item_item": None,
    "regularization": Penalty(user=1.0, positive=0.001, negative=0.001),
}
# what each is tuned by, and whether it wants histograms one by one
METHODS = {
    "VSEens()": (annotator(), [None], False),
    "LabelAnnotator()": (annotator(**OURS), [None], False),
    "without image ids": (
        annotator(**OURS, features=FeatureMap(image_ids=False)),
        [None],
        False,
    ),
    "usual penalties": (annotator(**OURS | {"regularization": None}), [None], False),
    "ridge on factors": (ridge_on_factors, [0.1, 1, 10, 100], False),
    "irspack's iALS": (
        ials,
        [(0.003, f, a) for f in (0.3, 3, 30) for a in (0.05, 0.2)],
        False,
    ),
    "JEC": (jec, [5, 10, 20, 40, 80], True),
    "2PKNN": (two_pass_neighbors, [5, 10, 20, 40, 80], True),
}


def annotate(folder, which, names):
    """Print the table of annotation."""
    (labels, test_labels), histograms = load(folder, which)
    order = np.random.default_rng(0).permutation(labels.shape[0])
    fitted, kept = np.sort(order[IN_VALIDATION:]), np.sort(order[:IN_VALIDATION])
    print(f"{which} features: method, tuned by, exponent, mAP by image, F1, N+, seconds")
    for name in names:
        method, grid, apart = METHODS[name]

        def part(of, rows=slice(None), apart=apart):
            parts = [histogram[of][rows] for histogram in histograms]
            return parts if apart else np.hstack(parts)

        def count(rows):
            return labels[rows].getnnz(axis=0)

        best = (-1.0, None, 0.0)
        for setting in grid:
            scores = method(labels[fitted], part(0, fitted), part(0, kept), setting)
            for exponent in EXPONENTS:
                precision, f1, _ = measured(scores, labels[kept], count(fitted), exponent)
                # the setting by both, the exponent by F1, on which alone it acts
                best = max(best, (precision + f1, setting, exponent), key=lambda b: b[0])
        _, setting, exponent = best
        started = time.perf_counter()
        scores = method(labels, part(0), part(1), setting)
        seconds = time.perf_counter() - started
        precision, f1, found = measured(scores, test_labels, count(slice(None)), exponent)
        print(
            f"{name:24} {setting!s:18} {exponent:.3f} {precision:.4f} {f1:.4f} {found:4d} "
            f"{seconds:6.1f}",
            flush=True,
        )


def warm(folder, which):
    """Print how labels of images that have others rank, with features, shuffled ones and none."""
    (labels, _), histograms = load(folder, which)
    features = np.hstack([histogram[0] for histogram in histograms])
    shuffled = np.random.default_rng(0).permutation(features)
    print(f"{which} features: NDCG@10 of a hidden label by ids alone, with features, shuffled")
    for seed in range(3):
        train, held_out = leave_one_out_split(labels, random_state=seed)
        found = []
        for given in (None, features, shuffled):
            model = VSEens(random_state=seed, num_threads=1)
            model.fit(train, show_progress=False, image_features=given)
            found.append(model.score(train, held_out))
        print(" ".join(f"{value:.4f}" for value in found), flush=True)


def speed(folder):
    """Print pairs a second with about 458 features a row, in turns with none."""
    (labels, _), histograms = load(folder, "2")
    features = csr_matrix(np.hstack([histogram[0] for histogram in histograms]))
    mean = features.nnz / features.shape[0]
    print(f"pairs a second on one thread, k = 64: without features, with {mean:.0f} a row, ratio")
    settings = {
        "factors": 64, "iterations": 10, "item_item": None, "fold_in_users": False,
        "regularization": 0.01, "num_threads": 1, "random_state": 0,
    }  # fmt: skip
    for parameters in ({}, {"candidates": 1}):
        for _ in range(3):
            rates = []
            for given in (None, features):
                # seconds of this thread alone, whatever else runs
                ends = []
                VSEens(**settings, **parameters).fit(
                    labels, show_progress=False, image_features=given,
                    callback=lambda *_, ends=ends: ends.append(time.thread_time()),
                )  # fmt: skip
                rates.append(labels.nnz / min(np.diff(ends)))
            print(
                f"{parameters!s:20} {rates[0]:10.0f} {rates[1]:10.0f} {rates[0] / rates[1]:6.2f}",
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of common.py")
    parser.add_argument("--features", nargs="+", default=["2", "4"], choices=HISTOGRAMS)
    parser.add_argument(
        "--parts", nargs="+", default=["annotate", "warm", "speed"],
        choices=["annotate", "warm", "speed"],
    )  # fmt: skip
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    options = parser.parse_args()
    for which in options.features:
        if "annotate" in options.parts:
            annotate(options.data, which, options.methods)
        if "warm" in options.parts:
            warm(options.data, which)
    if "speed" in options.parts:
        speed(options.data)


if __name__ == "__main__":
    main()
