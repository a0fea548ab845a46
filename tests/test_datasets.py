"""Behaviour of the bundled data set and of the generator of annotations."""

import gzip
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse, stats

from vseens_rec import datasets
from vseens_rec.datasets import generated, load_emoji, make_annotations

TOOL = Path(__file__).parents[1] / "tools" / "make_emoji_data.py"


def assert_canonical_ones(matrix, shape, n_pairs):
    assert isinstance(matrix, sparse.csr_matrix)
    assert matrix.shape == shape
    assert matrix.dtype == np.float32
    assert matrix.indices.dtype == np.int32
    assert matrix.nnz == n_pairs
    assert np.all(matrix.data == 1)
    assert matrix.indptr[0] == 0
    assert matrix.indptr[-1] == len(matrix.indices) == len(matrix.data) == n_pairs
    assert np.all(np.diff(matrix.indptr) >= 0)
    assert matrix.indices.min() >= 0
    assert matrix.indices.max() < shape[1]
    # Keys that increase everywhere: sorted within each row and no pair twice. The flags of the
    # matrix are claims of the code under test, so they prove nothing by themselves.
    rows = np.repeat(np.arange(shape[0]), np.diff(matrix.indptr))
    assert np.all(np.diff(rows * shape[1] + matrix.indices.astype(np.int64)) > 0)
    assert matrix.has_canonical_format


def same_matrix(a, b):
    return np.array_equal(a.indptr, b.indptr) and np.array_equal(a.indices, b.indices)


def planted_law(data):
    return np.asarray(data.image_topics @ data.topic_labels)


# --- emoji ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def emoji():
    return load_emoji()


def test_emoji_figures(emoji):
    assert_canonical_ones(emoji.matrix, (1881, 1151), 7735)
    assert emoji.images.shape == emoji.names.shape == (1881,)
    assert emoji.labels.shape == (1151,)


def test_emoji_filter_of_the_source_holds(emoji):
    assert np.diff(emoji.matrix.indptr).min() >= 1
    assert np.bincount(emoji.matrix.indices, minlength=1151).min() >= 3


def test_emoji_names_are_unique_and_sorted_where_promised(emoji):
    labels = emoji.labels.tolist()
    assert labels == sorted(set(labels))
    assert len(set(emoji.images.tolist())) == 1881
    for strings in (emoji.images, emoji.names, emoji.labels):
        assert strings.dtype.kind == "U"
        assert all(text == text.strip() and text for text in strings.tolist())


@pytest.mark.parametrize(
    ("glyph", "name", "keywords"),
    [
        ("\N{CAT FACE}", "cat face", {"animal", "cat", "face", "pet"}),
        ("{", "open curly bracket", {"bracket", "curly", "open"}),
        ("\N{FACE PALM}\u200d\N{MALE SIGN}", "man facepalming", {"facepalm", "man", "omg"}),
    ],
)
def test_emoji_known_entries(emoji, glyph, name, keywords):
    row = emoji.images.tolist().index(glyph)
    assert emoji.names[row] == name
    assert keywords <= set(emoji.labels[emoji.matrix[row].indices].tolist())


def test_emoji_label_column_finds_its_images(emoji):
    column = emoji.labels.tolist().index("cat")
    images = emoji.images[emoji.matrix[:, column].nonzero()[0]]
    assert "\N{CAT}" in images
    assert "\N{DOG}" not in images


def test_emoji_description_says_source_version_licence_and_shape(emoji):
    for words in ("CLDR", "48.2.0", "Unicode License v3", "1881 x 1151", "7735"):
        assert words in emoji.DESCR


def test_emoji_licence_ships_beside_the_data():
    notice = Path(datasets.__file__).parent / "data" / "UNICODE-LICENSE.txt"
    assert notice.read_text(encoding="utf-8").startswith("UNICODE LICENSE V3")


def test_emoji_loads_are_independent(emoji):
    other = load_emoji()
    other.matrix.data[:] = 5
    assert load_emoji().matrix.max() == emoji.matrix.max() == 1


# --- the script that made it ---------------------------------------------------------------------


@pytest.fixture
def tool():
    if not TOOL.exists():
        pytest.skip("tools/ is not part of this tree")
    spec = importlib.util.spec_from_file_location("make_emoji_data", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_annotations(path, entries):
    path.write_text(json.dumps({"annotations": {"annotations": entries}}), encoding="utf-8")


def test_tool_keeps_keywords_of_three_images(tool, tmp_path, capsys):
    source = tmp_path / "annotations.json"
    write_annotations(
        source,
        {
            "z": {"default": ["three", "two"], "tts": ["last letter"]},
            "a": {"default": ["two", "three", "also"], "tts": ["first letter"]},
            "b": {"default": ["also", "three"], "tts": ["second letter"]},
            "c": {"default": ["also", "alone"], "tts": ["third letter"]},
            "d": {"default": ["lonely"], "tts": ["three"]},
            "e": {"tts": ["also"]},
        },
    )
    tool.main([str(source), str(tmp_path / "out.gz")])
    text = gzip.decompress((tmp_path / "out.gz").read_bytes()).decode("utf-8")
    assert text == (
        "z\tlast letter\tthree\n"
        "a\tfirst letter\talso|three\n"
        "b\tsecond letter\talso|three\n"
        "c\tthird letter\talso\n"
    )
    assert capsys.readouterr().out == "4 images, 2 labels, 6 pairs\n"


def test_tool_output_depends_on_the_input_alone(tool, tmp_path):
    lines = ["a\tname\tword"]
    tool.write_lines(lines, tmp_path / "one.gz")
    tool.write_lines(lines, tmp_path / "another name.gz")
    one = (tmp_path / "one.gz").read_bytes()
    assert one == (tmp_path / "another name.gz").read_bytes()
    assert one[3:8] == bytes(5), "no optional header fields, time 0"


@pytest.mark.parametrize("entry", [("a|b", "name"), ("ab", "na\tme"), ("ab", "na\nme")])
def test_tool_refuses_separators_in_fields(tool, entry):
    keyword, name = entry
    entries = {glyph: {"default": [keyword], "tts": [name]} for glyph in "xyz"}
    with pytest.raises(ValueError, match="must hold no"):
        tool.make_lines(entries)


# --- generator: form -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_images", "n_labels", "n_pairs"),
    [
        (1, 1, 1),
        (1, 40, 17),
        (40, 1, 17),
        (3, 7, 20),
        (30, 20, 1),
        (30, 20, 29),
        (30, 20, 30),
        (30, 20, 599),
        (30, 20, 600),
        (300, 400, 60_000),
        (20_000, 3_000, 150_000),
    ],
)
def test_exact_pairs_in_canonical_form(n_images, n_labels, n_pairs):
    matrix = make_annotations(n_images, n_labels, n_pairs, random_state=0)
    assert_canonical_ones(matrix, (n_images, n_labels), n_pairs)
    sizes = np.diff(matrix.indptr)
    assert sizes.max() <= n_labels
    if n_pairs >= n_images:
        assert sizes.min() >= 1


def test_defaults():
    assert_canonical_ones(make_annotations(random_state=0), (1000, 500), 10_000)


def test_full_matrix_is_all_ones():
    matrix = make_annotations(25, 12, 300, random_state=3)
    assert np.all(matrix.toarray() == 1)


def test_numpy_integers_are_sizes():
    sizes = np.array([30, 20, 100])
    matrix = make_annotations(*sizes, n_topics=np.int8(4), random_state=np.uint16(1))
    assert same_matrix(matrix, make_annotations(30, 20, 100, n_topics=4, random_state=1))


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_form_and_planted_rows_hold_across_blocks(monkeypatch, block):
    monkeypatch.setattr(generated, "_BLOCK_PAIRS", block)
    data = make_annotations(200, 60, 3000, random_state=0, return_planted=True)
    assert_canonical_ones(data.matrix, (200, 60), 3000)
    assert data.image_topics.shape == (200, 32)
    np.testing.assert_allclose(data.image_topics.sum(axis=1), 1)
    # Rows fit the topics returned for them, not those of another row.
    law = planted_law(data)
    own = data.matrix.multiply(law).sum()
    shifted = data.matrix.multiply(np.roll(law, 1, axis=0)).sum()
    assert own > 1.3 * shifted


def test_blocks_without_pairs(monkeypatch):
    monkeypatch.setattr(generated, "_BLOCK_PAIRS", 5)
    assert_canonical_ones(make_annotations(500, 30, 20, random_state=0), (500, 30), 20)


# --- generator: randomness -----------------------------------------------------------------------


def test_same_seed_same_matrix_and_other_seed_another():
    first = make_annotations(random_state=7)
    assert same_matrix(first, make_annotations(random_state=7))
    assert not same_matrix(first, make_annotations(random_state=8))


@pytest.mark.parametrize("source", [np.random.RandomState, np.random.default_rng])
def test_generator_objects_give_repeatable_streams(source):
    state = source(5)
    first, second = (make_annotations(100, 50, 500, random_state=state) for _ in range(2))
    again = make_annotations(100, 50, 500, random_state=source(5))
    assert same_matrix(first, again)
    assert not same_matrix(first, second)


def test_no_seed_gives_another_matrix_each_time():
    assert not same_matrix(make_annotations(), make_annotations())


def test_global_state_is_left_alone():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    make_annotations(random_state=0)
    make_annotations()
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_return_planted_does_not_change_the_matrix():
    data = make_annotations(random_state=2, return_planted=True)
    assert same_matrix(data.matrix, make_annotations(random_state=2))


# --- generator: structure ------------------------------------------------------------------------


def test_popularity_is_zipf_like():
    matrix = make_annotations(30_000, 2_000, 150_000, random_state=0)
    counts = np.sort(np.bincount(matrix.indices, minlength=2_000))[::-1]
    ranks = np.arange(20, 1000)
    slope = np.polyfit(np.log(ranks), np.log(counts[ranks - 1]), 1)[0]
    assert -1.2 < slope < -0.8
    assert counts[:20].sum() > 0.15 * matrix.nnz
    # The popular labels are not simply the first columns.
    popular = np.argsort(-np.bincount(matrix.indices, minlength=2_000))[:50]
    assert popular.max() > 1000


def test_row_sizes_are_skewed():
    sizes = np.diff(make_annotations(20_000, 1_000, 160_000, random_state=0).indptr)
    assert np.median(sizes) < sizes.mean() < np.quantile(sizes, 0.75)
    assert stats.skew(sizes) > 1.5
    assert sizes.max() > 6 * np.median(sizes)


def test_planted_probabilities_are_laws():
    data = make_annotations(800, 300, 5000, n_topics=9, random_state=0, return_planted=True)
    assert data.image_topics.shape == (800, 9)
    assert data.topic_labels.shape == (9, 300)
    assert data.image_topics.has_canonical_format
    assert data.image_topics.data.min() > 0
    assert data.topic_labels.min() > 0
    np.testing.assert_allclose(np.asarray(data.image_topics.sum(axis=1)).ravel(), 1)
    np.testing.assert_allclose(data.topic_labels.sum(axis=1), 1)
    n_used = np.diff(data.image_topics.indptr)
    assert set(n_used.tolist()) == {1, 2, 3}
    assert np.linalg.matrix_rank(planted_law(data)) == 9


@pytest.mark.parametrize("n_topics", [1, 5, 40])
def test_number_of_topics(n_topics):
    data = make_annotations(300, 40, 900, n_topics=n_topics, random_state=0, return_planted=True)
    assert data.image_topics.shape == (300, n_topics)
    assert data.topic_labels.shape == (n_topics, 40)


@pytest.mark.parametrize(("n_labels", "n_topics"), [(10, 10), (100, 32)])
def test_default_number_of_topics(n_labels, n_topics):
    data = make_annotations(30, n_labels, 100, random_state=0, return_planted=True)
    assert data.topic_labels.shape == (n_topics, n_labels)


def chi_square_p_value(observed, probabilities):
    """Test counts against sums of independent indicators with the given probabilities."""
    expected = probabilities.sum(axis=0)
    return stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue


def test_single_labels_follow_the_planted_law():
    n_images = 20_000
    data = make_annotations(n_images, 60, n_images, n_topics=4, random_state=0, return_planted=True)
    law = planted_law(data)
    dense = data.matrix.toarray()
    # Per main topic too: the marginal alone would not notice topics dealt to the wrong images.
    main_topic = np.asarray(data.image_topics.argmax(axis=1)).ravel()
    for rows in [np.ones(n_images, bool), *(main_topic == topic for topic in range(4))]:
        assert rows.sum() > 1000
        assert chi_square_p_value(dense[rows].sum(axis=0), law[rows]) > 1e-3
    wrong = np.roll(law, 1, axis=0)
    assert chi_square_p_value(dense[main_topic == 0].sum(axis=0), wrong[main_topic == 0]) < 1e-9


# Few labels make the rows complete by the exact draw from the start (3) or after a round of
# rejection (5); with many (40) rejection does nearly all.
@pytest.mark.parametrize("n_labels", [3, 5, 40])
def test_second_label_is_drawn_without_replacement(n_labels):
    n_images = 100_000
    data = make_annotations(
        n_images, n_labels, 2 * n_images, n_topics=3, random_state=1, return_planted=True
    )
    rows = np.diff(data.matrix.indptr) == 2
    assert rows.sum() > 10_000
    law = planted_law(data)[rows]
    odds = law / (1 - law)
    included = law * (1 + odds.sum(axis=1, keepdims=True) - odds)
    np.testing.assert_allclose(included.sum(axis=1), 2)
    observed = data.matrix[rows].toarray().sum(axis=0)
    deviation = (observed - included.sum(axis=0)) / np.sqrt((included * (1 - included)).sum(axis=0))
    assert np.abs(deviation).max() < 4
    # The test tells this law from twice the law of one draw.
    naive = 2 * law
    assert np.abs((observed - naive.sum(axis=0)) / np.sqrt(observed)).max() > 5


def test_popularity_of_single_draws_is_that_of_the_topics():
    data = make_annotations(50_000, 50, 50_000, n_topics=5, random_state=0, return_planted=True)
    counts = np.sort(data.matrix.toarray().sum(axis=0))[::-1]
    zipf = 1 / (np.arange(1, 51) + 2.7)
    zipf /= zipf.sum()
    np.testing.assert_allclose(counts / counts.sum(), zipf, rtol=0.12)


# --- generator: errors ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["n_images", "n_labels", "n_pairs", "n_topics"])
@pytest.mark.parametrize("value", [0, -3])
def test_sizes_must_be_positive(name, value):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got {value}"):
        make_annotations(**{name: value})


@pytest.mark.parametrize("name", ["n_images", "n_labels", "n_pairs", "n_topics"])
@pytest.mark.parametrize("value", [2.0, "9", True])
def test_sizes_must_be_integers(name, value):
    with pytest.raises(TypeError, match=f"{name} must be an integer, got {value!r}"):
        make_annotations(**{name: value})


def test_more_pairs_than_cells():
    with pytest.raises(ValueError, match=r"n_pairs=13: expected at most .* = 3 \* 4 = 12 "):
        make_annotations(3, 4, 13)


def test_more_topics_than_labels():
    with pytest.raises(ValueError, match=r"n_topics=5: expected at most n_labels = 4"):
        make_annotations(30, 4, 40, n_topics=5)


def test_negative_seed():
    with pytest.raises(ValueError, match="random_state must be at least 0, got -1"):
        make_annotations(random_state=-1)


@pytest.mark.parametrize("seed", ["0", 1.5, True])
def test_seed_of_another_type(seed):
    with pytest.raises(TypeError, match=f"random_state must be an int.*{seed!r}"):
        make_annotations(random_state=seed)
