"""What several benchmarks share: data sets with their splits, and the options that name them.

Each FOLDER that most of them ask for holds one folder a data set with CSR matrices saved by
scipy.sparse.save_npz, under the names in `FILES` and in `USERS`. Where the public gets them:

- MIRFlickr-25k at press.liacs.nl/mirflickr, HARRISON at github.com/minstone/HARRISON-Dataset;
- COCO 2014 (categories of the images) at cocodataset.org, NUS-WIDE (81 concepts) at
  lms.comp.nus.edu.sg/wp-content/uploads/2019/research/nuswide;
- delicious in github.com/tsoumakas/mulan, mtg_jamendo in github.com/MTG/mtg-jamendo-dataset;
- Gowalla in the split of LightGCN at github.com/kuandeng/LightGCN, AmazonCDs_m1 at
  huggingface.co/datasets/reczoo, ml1m (MovieLens-1M) in the split of github.com/xue-pai/UltraGCN.

The emoji come with the package.
"""

from pathlib import Path

import numpy as np
from scipy.sparse import load_npz, vstack

from vseens_rec.datasets import load_emoji
from vseens_rec.model_selection import fraction_split, leave_one_out_split

# images and their labels, of which most benchmarks use the first file
FILES = {
    "corel5k": ["corel5k/train.npz"],
    "corel5k_mulan374": ["corel5k_mulan374/train.npz"],
    "coco_captions": ["coco_captions/categories.npz"],
    "delicious": ["delicious/all.npz"],
    "mirflickr25k": ["mirflickr25k/tags_all.npz"],
    "mtg_jamendo": ["mtg_jamendo/all.npz"],
    "nuswide81": ["nuswide81/train.npz", "nuswide81/test.npz"],
    "coco80": ["coco80/official_train2014.npz", "coco80/official_val2014.npz"],
    "harrison": ["harrison/all.npz"],
}
IMAGES = ("emoji", *FILES)
# users and their items, which bring their split
USERS = ("ml1m", "gowalla", "amazoncds_m1", "electronics", "citeulike_a", "amazonbook")


def has(folders, data):
    """Tell whether one of the folders has a data set."""
    return data == "emoji" or any((folder / data).exists() for folder in folders)


def load(folders, file):
    """Load a matrix from the first folder that has its file."""
    found = [folder / file for folder in folders if (folder / file).exists()]
    if not found:
        raise FileNotFoundError(f"{file} is not in {' or '.join(map(str, folders))}")
    return load_npz(found[0])


def load_images(folders, data):
    """Load the first file of a set of images, or the emoji."""
    return load_emoji().matrix if data == "emoji" else load(folders, FILES[data][0])


def load_whole(folders, data):
    """Load all files of a set of images, one below the other."""
    return vstack([load(folders, file) for file in FILES[data]], "csr", np.float32)


def load_split(folders, data, parts=("train", "test")):
    """Load the parts that a set of users brings."""
    found = (load(folders, f"{data}/{part}.npz") for part in parts)
    return tuple(part.astype(np.float32).tocsr() for part in found)


def length_of(data):
    """How long the lists are that are measured."""
    return 10 if data in IMAGES else 20


def split_twice(matrix, seed=0):
    """Hold out one label of every image for the test, and one of the rest for the choice.

    Returns training and held-out part for each of the two, the test first.
    """
    train, test = leave_one_out_split(matrix, random_state=seed)
    return (train, test), leave_one_out_split(train, random_state=seed + 1)


def parts_of(folders, data, seed=0):
    """Return the training and the held-out part, for the choice and for the test."""
    if data in IMAGES:
        test, validation = split_twice(load_images(folders, data).astype(np.float32), seed)
    else:
        test = load_split(folders, data)
        if data == "gowalla":
            validation = load_split(folders, data, ("train_minus_valid", "valid"))
        else:
            validation = fraction_split(test[0], 0.2, random_state=1)
    return {"validation": validation, "test": test}


def add_data(parser, sets, default=None):
    """Let the folders and the data sets be given, by default all of them."""
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="the folders of common.py"
    )
    parser.add_argument("--sets", nargs="+", default=default or list(sets), choices=sets)


def add_sizes(parser):
    """Let the size of the generated data and of the factors be given."""
    parser.add_argument("--images", type=int, default=112_247)
    parser.add_argument("--labels", type=int, default=6_000)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--factors", type=int, default=100)
