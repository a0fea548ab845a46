"""Categories of images from COCO's JSON."""

import json
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np

from .annotations import Annotations, Coded, NameList, Numbering, Pairs
from .problems import Unknown, check_choice
from .sources import Paths, expand, name_of, open_binary

__all__ = ["read_coco"]

# what tells two images apart that have one id
WHEREABOUTS = ("file_name", "coco_url", "flickr_url", "url", "path")
SIZES = ("width", "height")


def read_coco(
    paths: Paths,
    *,
    image_key: str = "id",
    label_key: str = "name",
    separate: bool = False,
    image_ids: NameList | None = None,
    labels: NameList | None = None,
    unknown: str = "raise",
) -> Annotations:
    """Read the categories of images from COCO's ``instances_*.json``.

    Parameters
    ----------
    paths : path, open file or list of them
        Files with the lists ``images``, ``categories`` and ``annotations``, packed or not; panoptic
        files have their categories in ``segments_info``.
    image_key : str, default="id"
        The field of an image that names its row, such as ``"file_name"``.
    label_key : {"name", "id"}, default="name"
        The field of a category that names its column.
    separate : bool, default=False
        Whether images of different files are different, as in sets that are each numbered from 0:
        rows are then named by pairs of the number of the file, from 0, and the `image_key`.
    image_ids, labels : sequence of hashable or None, default=None
        Ids and names that have their numbers already; see `read_pairs`.
    unknown : {"raise", "warn", "skip", "add"}, default="raise"
        What to do about others; see `read_pairs`.

    Returns
    -------
    Annotations
        Rows are all images, with an object or without, in the order of the files; columns all
        categories, by ascending id. Ids are integers or text as they are in the file.

    Raises
    ------
    ValueError
        A file is no such JSON, an annotation names an image or a category that is not listed, a
        category has two names, two categories of a file have one name, or images of several files
        have one id and are not certainly the same.

    Examples
    --------
    >>> import json, os, tempfile
    >>> from vseens_rec.datasets import read_coco
    >>> path = os.path.join(tempfile.mkdtemp(), "instances.json")
    >>> content = {"images": [{"id": 9}, {"id": 7}], "categories": [{"id": 1, "name": "cat"}],
    ...            "annotations": [{"image_id": 7, "category_id": 1}]}
    >>> with open(path, "w") as file:
    ...     json.dump(content, file)
    >>> read = read_coco(path)
    >>> read.matrix.toarray().tolist(), read.image_ids.tolist(), list(read.labels)
    ([[0.0], [1.0]], [9, 7], ['cat'])
    """
    check_choice(label_key, ("name", "id"), "label_key")
    images = _Images(image_key, separate)
    categories: dict[Hashable, str] = {}
    rows: list[int] = []
    found: list[Hashable] = []
    for number, file in enumerate(expand(paths)):
        name = name_of(file)
        content = _content(file, name)
        images.begin(number, name)
        try:
            _add_categories(content["categories"], categories, name)
            for image in content["images"]:
                images.add(image)
            for place, (image_id, category) in enumerate(_annotations(content["annotations"])):
                if category not in categories:
                    raise ValueError(
                        f"{name}: annotation {place} has the unknown category {category!r}"
                    )
                rows.append(images.row_of(image_id, place))
                found.append(category)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{name} is not a file of instances in COCO's format: {error!r}"
            ) from error
    ids = _sorted(categories)
    columns = {category: column for column, category in enumerate(ids)}
    names = [categories[category] if label_key == "name" else category for category in ids]
    pairs = Pairs(Numbering(image_ids, "image"), Numbering(labels, "label"), Unknown(unknown))
    if labels is None:
        pairs.labels.number(names, add=True)
    pairs.add(
        Coded(np.arange(len(images.names)), images.names),
        Coded(np.array([columns[category] for category in found], np.int64), names),
        owner=np.array(rows, np.int64),
        place=lambda row: f"image {images.names[row]!r}",
    )
    read = pairs.annotations()
    read.matrix.data[:] = 1
    return read


class _Images:
    """The rows: which images are one, over all files."""

    def __init__(self, key: str, separate: bool):
        self.key, self.separate = key, separate
        self.names: list[Hashable] = []
        self.rows: dict[Hashable, int] = {}
        self.first: list[tuple[dict[str, Any], str]] = []

    def begin(self, number: int, name: str) -> None:
        self.number, self.file = number, name
        self.of_file: dict[Hashable, int] = {}

    def add(self, image: dict[str, Any]) -> None:
        image_id = _checked_id(image["id"], self.file, "image")
        if self.key not in image:
            raise ValueError(
                f"{self.file}: the image {image_id!r} has no {self.key!r}, only "
                f"{', '.join(map(repr, image))}"
            )
        name: Hashable = _checked_id(image[self.key], self.file, "image")
        if self.separate:
            name = (self.number, name)
        row = self.rows.setdefault(name, len(self.names))
        if row == len(self.names):
            self.names.append(name)
            self.first.append((image, self.file))
        else:
            self._check_same(image, *self.first[row])
        if self.of_file.setdefault(image_id, row) != row:
            raise ValueError(f"{self.file}: two images have the id {image_id!r}")

    def _check_same(self, image: dict[str, Any], other: dict[str, Any], file: str) -> None:
        known = [field for field in WHEREABOUTS if field in image and field in other]
        differing = [
            field
            for field in ("id", *WHEREABOUTS, *SIZES)
            if field in image and field in other and image[field] != other[field]
        ]
        if known and not differing:
            return
        if differing:
            field = differing[0]
            why = f"{other[field]!r} in {file} and {image[field]!r} in {self.file} as {field}"
        else:
            why = f"no {WHEREABOUTS[0]} that would tell whether they are one, in {file} and "
            why += self.file
        raise ValueError(
            f"two images with the {self.key} {image[self.key]!r} have {why}: separate=True makes "
            "them rows of their own, image_key='file_name' names rows by another field"
        )

    def row_of(self, image_id: Any, place: int) -> int:
        try:
            return self.of_file[image_id]
        except (KeyError, TypeError):
            raise ValueError(
                f"{self.file}: annotation {place} is of the unknown image {image_id!r}"
            ) from None


def _content(file: Any, name: str) -> dict[str, Any]:
    text = not hasattr(file, "__fspath__") and not isinstance(file, str)
    try:
        if text and isinstance(file.read(0), str):
            content = json.load(file)
        else:
            with open_binary(file) as opened:
                content = json.loads(opened.read())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{name} is not a file of instances in COCO's format: {error}") from error
    if isinstance(content, list):
        raise ValueError(
            f"{name} is not a file of instances in COCO's format but a list, such as results are: "
            "its images and categories are in the file that the results were made for"
        )
    missing = [
        key
        for key in ("images", "categories", "annotations")
        if not isinstance(content, dict) or key not in content
    ]
    if missing:
        hint = "captions have no categories" if missing == ["categories"] else ""
        if missing == ["annotations"]:
            hint = "the images of a test set have none; an empty list would be read"
        raise ValueError(
            f"{name} is not a file of instances in COCO's format: it has no "
            + " and no ".join(map(repr, missing))
            + (f" ({hint})" if hint else "")
        )
    found: dict[str, Any] = content
    return found


def _add_categories(listed: Any, categories: dict[Hashable, str], name: str) -> None:
    of_name: dict[str, Hashable] = {}
    for one in listed:
        number, called = _checked_id(one["id"], name, "category"), one["name"]
        if not isinstance(called, str):
            raise ValueError(f"{name}: the category {number!r} has the name {called!r}, not text")
        if categories.setdefault(number, called) != called:
            raise ValueError(
                f"{name} is not of the same set as the others: category {number!r} is {called!r}, "
                f"and {categories[number]!r} before"
            )
        if of_name.setdefault(called, number) != number:
            raise ValueError(
                f"{name}: categories {of_name[called]!r} and {number!r} are both {called!r}, and "
                "would be one column: give them different names"
            )


def _annotations(listed: Any) -> Iterator[tuple[Any, Any]]:
    for one in listed:
        if "segments_info" in one:
            for segment in one["segments_info"]:
                yield one["image_id"], segment["category_id"]
        else:
            yield one["image_id"], one["category_id"]


def _checked_id(found: Any, name: str, what: str) -> Hashable:
    if isinstance(found, bool) or not isinstance(found, (int, str)):
        raise ValueError(f"{name}: the {what} id {found!r} is neither an integer nor text")
    return found


def _sorted(ids: dict[Hashable, str]) -> list[Any]:
    """Sort integers before text."""
    return sorted(ids, key=lambda one: (isinstance(one, str), one))
