"""Words: counts of skip-grams, vectors from them, and word2vec's files."""

import gzip
import io
import itertools
import json
import pickle

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from vseens_rec import Checkpoint, SkipGram, VSEens
from vseens_rec.engine.interactions import Interactions
from vseens_rec.engine.trainer import Trainer, spread_visits
from vseens_rec.text import SkipGramCounts, WordVectors, count_skip_grams, counting
from vseens_rec.vseens import settings_of

from .kernel_cases import watch_runs

ALL = {"min_count": 1, "sample": None}


def text_of(n_sentences=300, n_words=40, seed=0):
    generator = np.random.default_rng(seed)
    weights = 1 / np.arange(1, n_words + 1)
    weights /= weights.sum()
    lengths = generator.integers(1, 15, n_sentences)
    return [
        [f"w{word}" for word in generator.choice(n_words, length, p=weights)] for length in lengths
    ]


@pytest.fixture
def counted():
    return count_skip_grams(text_of(), min_count=2, sample=1e-2)


def expected_counts(sentences, words, keep, window):
    """Count by going through everything that the subsampling can keep."""
    place = {word: number for number, word in enumerate(words)}
    counts = np.zeros((len(words), len(words)))
    for sentence in sentences:
        ids = [place[word] for word in sentence if word in place]
        for kept in itertools.product([0, 1], repeat=len(ids)):
            likely = np.prod(
                [keep[i] if k else 1 - keep[i] for i, k in zip(ids, kept, strict=True)]
            )
            left = [i for i, k in zip(ids, kept, strict=True) if k]
            for one, other in itertools.permutations(range(len(left)), 2):
                near = max(0, window + 1 - abs(one - other)) / window
                counts[left[one], left[other]] += likely * near
    return counts


@pytest.mark.parametrize("window", [1, 2, 3])
def test_counts_are_what_skip_gram_expects(window):
    sentences = [list("abcab"), list("aadbcae"), ["b"], [], list("cacaca")]
    found = count_skip_grams(sentences, window=window, min_count=2, sample=0.05)
    assert found.words == ["a", "c", "b"]
    assert found.counts.tolist() == [8, 5, 4]
    share = found.counts / found.counts.sum()
    keep = np.minimum(1, np.sqrt(0.05 / share) + 0.05 / share)
    assert (keep < 0.6).any()
    expected = expected_counts(sentences, found.words, keep, window)
    # pairs that are rarely in a window are left out
    np.testing.assert_allclose(found.matrix.toarray(), expected, rtol=0.02)


def test_without_subsampling_a_pair_counts_by_its_distance():
    found = count_skip_grams([["a", "b", "c", "d", "e"]], window=3, **ALL).matrix.toarray()
    distance = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    expected = np.where(distance > 0, np.maximum(0, 4 - distance) / 3, 0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_word_can_stand_beside_itself():
    found = count_skip_grams([["so", "so"]], **ALL).matrix.toarray()
    assert found.tolist() == [[2.0]]


def test_less_memory_gives_the_same_counts(monkeypatch):
    monkeypatch.setattr(counting, "FEWEST_PAIRS", 64)
    opened = []
    open_file = counting.TemporaryFile
    monkeypatch.setattr(counting, "TemporaryFile", lambda: opened.append(open_file()) or opened[-1])
    text = text_of()
    whole = count_skip_grams(text, min_count=1)
    in_one = len(opened)
    parts = count_skip_grams(text, min_count=1, memory=1)
    assert len(opened) - in_one > in_one + 3
    assert parts.words == whole.words
    np.testing.assert_array_equal(parts.matrix.indptr, whole.matrix.indptr)
    np.testing.assert_array_equal(parts.matrix.indices, whole.matrix.indices)
    np.testing.assert_allclose(parts.matrix.data, whole.matrix.data, rtol=1e-6)


def test_threads_have_no_influence_on_counts():
    one, two = (count_skip_grams(text_of(), num_threads=n).matrix for n in (1, 3))
    np.testing.assert_array_equal(one.data, two.data)
    np.testing.assert_array_equal(one.indices, two.indices)


def test_the_matrix_is_symmetric_and_canonical(counted):
    matrix = counted.matrix
    assert matrix.dtype == np.float32
    assert matrix.has_canonical_format
    assert abs(matrix - matrix.T).max() == 0


@pytest.mark.parametrize("block", [7, 1 << 22])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_has_the_counts_of_its_sentences(tmp_path, monkeypatch, block, end):
    monkeypatch.setattr(counting, "BLOCK", block)
    text = [["é", "b"], ["b", "c", "é", "d"], [], ["long", "words", "stay", "whole", "b"]]
    raw = "\ufeff" + end.join(" ".join(words) for words in text)
    (tmp_path / "plain.txt").write_bytes(raw.encode())
    with gzip.open(tmp_path / "packed.txt.gz", "wb") as file:
        file.write(raw.encode())
    expected = count_skip_grams(text, **ALL)
    for source in (
        tmp_path / "plain.txt", str(tmp_path / "packed.txt.gz"), io.BytesIO(raw.encode())
    ):  # fmt: skip
        found = count_skip_grams(source, **ALL)
        assert found.words == expected.words
        assert (found.matrix != expected.matrix).nnz == 0


def test_pairs_reach_across_blocks_of_words(monkeypatch):
    words = [f"w{n % 50}" for n in range(5000)]
    whole = count_skip_grams([words], window=3, **ALL)
    monkeypatch.setattr(counting, "WORDS_AT_ONCE", 1024)
    parts = count_skip_grams([words], window=3, **ALL)
    assert abs(whole.matrix - parts.matrix).max() < 1e-3
    # every word but the first and last three has six neighbours, of which a window has four
    assert whole.matrix.sum() == pytest.approx(5000 * 4, rel=1e-3)


def test_sentences_can_come_one_at_a_time():
    text = text_of()
    found = count_skip_grams((iter(words) for words in text), **ALL)
    assert (found.matrix != count_skip_grams(text, **ALL).matrix).nnz == 0


def test_rare_words_and_those_beyond_the_vocabulary_are_left_out():
    text = [["a", "b", "a", "c", "a", "b"]]
    assert count_skip_grams(text, min_count=2, sample=None).words == ["a", "b"]
    found = count_skip_grams(text, min_count=1, max_vocabulary=1, sample=None, window=1)
    # they are gone before distances are counted
    assert found.words == ["a"]
    assert found.matrix.toarray().tolist() == [[4.0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window must be an integer from 1 to 100, got 0"),
        ({"window": 2.5}, "window must be an integer"),
        ({"min_count": True}, "min_count must be an integer of at least 1, got True"),
        ({"sample": 0}, "sample must be a number above 0, got 0: sample=None"),
        ({"max_vocabulary": 0}, "max_vocabulary must be"),
        ({"memory": 0}, "memory must be"),
        ({"min_count": 5}, "no word occurs 5 times in the 2 words"),
    ],
)
def test_counting_says_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        count_skip_grams([["a", "b"]], **{"min_count": 1} | options)


def test_what_is_no_text_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"sentence 0 is of type str.*sentence\.split"):
        count_skip_grams(["the cat sat"], min_count=1)
    with pytest.raises(TypeError, match="got 7 of type int"):
        count_skip_grams([[7, 8]], min_count=1)
    with pytest.raises(TypeError, match="iterable of lists of words"):
        count_skip_grams(b"the cat", min_count=1)
    with pytest.raises(TypeError, match="open it with mode 'rb'"):
        count_skip_grams(io.StringIO("the cat"), min_count=1)
    (tmp_path / "latin.txt").write_bytes("é".encode("latin-1"))
    with pytest.raises(ValueError, match="encoding='latin-1'"):
        count_skip_grams(tmp_path / "latin.txt", min_count=1)
    assert count_skip_grams(
        tmp_path / "latin.txt", min_count=1, encoding="latin-1"
    ).words == ["é"]  # fmt: skip
    with pytest.raises(ValueError, match="not an encoding"):
        count_skip_grams(tmp_path / "latin.txt", encoding="klingon")


def test_visits_of_a_row_are_spread_over_rounds():
    rows = np.array([4, 0, 7, 2], np.int32)
    draws = np.array([1, 100, 33, 32], np.int32)
    visits = np.array([1, 20, 9, 8], np.int32)
    total, number, places = np.zeros(8, int), np.zeros(8, int), {0: [], 7: []}
    rounds = list(spread_visits(rows, draws, visits, 20, np.random.default_rng(0)))
    assert len(rounds) == 20
    for place, (visited, n) in enumerate(rounds):
        assert len(set(visited.tolist())) == len(visited)
        assert ((n >= 1) & (n <= 5)).all()
        total[visited] += n
        number[visited] += 1
        for row in places.keys() & set(visited.tolist()):
            places[row].append(place)
    assert total[rows].tolist() == draws.tolist()
    assert number[rows].tolist() == visits.tolist()
    assert places[0] == list(range(20))
    assert set(np.diff(places[7])) == {2, 3}


@pytest.mark.parametrize("seed", range(20))
def test_no_draw_is_lost_between_rounds(seed):
    generator = np.random.default_rng(seed)
    n_rounds = int(generator.integers(1, 3000))
    rows = np.arange(50, dtype=np.int32)
    draws = generator.integers(1, 5000, 50).astype(np.int32)
    visits = np.minimum(draws, generator.integers(1, n_rounds + 1, 50)).astype(np.int32)
    total = np.zeros(50, int)
    for visited, n in spread_visits(rows, draws, visits, n_rounds, generator):
        total[visited] += n
    assert total.tolist() == draws.tolist()


def test_the_rate_falls_inside_an_epoch_and_an_epoch_draws_the_sum_of_counts(counted, monkeypatch):
    runs = watch_runs(monkeypatch)
    model = SkipGram(factors=4, iterations=2, random_state=0, num_threads=1)
    model.fit(counted, show_progress=False)
    rates = [run["learning_rate"] for run in runs]
    assert rates[0] == model.learning_rate
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) > 10
    assert 0 < rates[-1] < 0.05 * rates[0]
    drawn = sum(run["draws"].sum() for run in runs)
    assert drawn == 2 * round(float(counted.matrix.sum(dtype=np.float64)))


def test_negatives_follow_the_counts_of_words(counted, monkeypatch):
    samplers = []
    original = Trainer.new_sampler

    def kept(self):
        samplers.append(original(self))
        return samplers[-1]

    monkeypatch.setattr(Trainer, "new_sampler", kept)
    model = SkipGram(factors=4, iterations=1, random_state=0, num_threads=1)
    model.fit(counted, show_progress=False)
    model.fit(counted.matrix, show_progress=False)
    sums = np.asarray(counted.matrix.sum(axis=0)).ravel()
    for sampler, counts in zip(samplers, (counted.counts, sums), strict=True):
        expected = counts**0.75
        np.testing.assert_allclose(sampler.law_probability, expected / expected.sum(), rtol=1e-5)


@pytest.mark.parametrize("sampler", ["popularity", "adaptive"])
def test_words_of_the_same_contexts_are_near(sampler):
    generator = np.random.default_rng(0)
    kinds = {"animal": ["cat", "dog", "cow"], "thing": ["car", "bus", "van"]}
    near = {"animal": ["eats", "sleeps", "barks"], "thing": ["drives", "brakes", "honks"]}
    text = []
    for _ in range(3000):
        kind = generator.choice(list(kinds))
        text.append([str(generator.choice(kinds[kind])), str(generator.choice(near[kind]))])
    model = SkipGram(
        factors=8, iterations=20, sample=None, sampler=sampler, random_state=0, num_threads=1
    )
    model.fit(text, show_progress=False)
    assert {word for word, _ in model.most_similar("cat", N=2)} == {"dog", "cow"}
    assert {word for word, _ in model.most_similar("bus", N=2)} == {"car", "van"}


def test_text_and_its_counts_give_the_same_model(tmp_path):
    text = text_of()
    (tmp_path / "text.txt").write_text("\n".join(" ".join(words) for words in text))
    options = {"factors": 6, "iterations": 2, "random_state": 0, "num_threads": 1, "window": 3}
    expected = SkipGram(**options).fit(
        count_skip_grams(text, window=3), show_progress=False
    )  # fmt: skip
    for X in (text, tuple(text), iter(text), tmp_path / "text.txt"):
        model = SkipGram(**options).fit(X, show_progress=False)
        np.testing.assert_array_equal(model.vectors_, expected.vectors_)
        assert model.words_ == expected.words_
        assert model.vocabulary_["w0"] == 0


def test_a_matrix_has_no_words(counted):
    model = SkipGram(factors=4, iterations=1, random_state=0).fit(counted, show_progress=False)
    assert model.words_ == counted.words
    model.fit(counted.matrix.toarray().tolist(), show_progress=False)
    assert not hasattr(model, "words_")
    with pytest.raises(ValueError, match="count_skip_grams"):
        model.most_similar("w1")
    with pytest.raises(NotFittedError):
        SkipGram().most_similar("w1")


def test_a_fit_that_fails_keeps_the_words(counted):
    model = SkipGram(factors=4, iterations=1, random_state=0).fit(counted, show_progress=False)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="no word occurs"):
        model.fit([["a"]], show_progress=False)
    with pytest.raises(ValueError, match="NaN"):
        model.fit([[np.nan, 1.0]], show_progress=False)
    assert vars(model).keys() == before.keys()
    assert model.most_similar("w1", N=1)


def test_a_warm_start_needs_the_same_words(counted):
    model = SkipGram(factors=4, iterations=1, random_state=0, warm_start=True)
    model.fit(counted, show_progress=False).fit(counted, show_progress=False)
    assert model.n_iter_ == 2
    other = SkipGramCounts(counted.matrix, counted.words[::-1], counted.counts)
    with pytest.raises(ValueError, match="in their order"):
        model.fit(other, show_progress=False)
    assert model.words_ == counted.words


def test_models_of_words_are_saved_and_copied(counted, tmp_path):
    model = SkipGram(factors=4, iterations=2, sample=1e-4, random_state=0, num_threads=1)
    model.fit(counted, show_progress=False)
    model.save(tmp_path / "words")
    for copy in (SkipGram.load(tmp_path / "words"), pickle.loads(pickle.dumps(model))):
        assert copy.words_ == model.words_
        assert copy.get_params() == model.get_params()
        assert copy.most_similar("w1") == model.most_similar("w1")
        row = counted.matrix[:1]
        np.testing.assert_array_equal(copy.transform(row), model.transform(row))
    words = model.words_
    with np.load(tmp_path / "words.npz") as saved:
        arrays = dict(saved)
    header = json.loads(arrays["header"].tobytes())
    header["values"]["words_"] = [words[0], *words[:-1]]
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(tmp_path / "damaged.npz", **arrays)
    with pytest.raises(ValueError, match="words_ of the file"):
        SkipGram.load(tmp_path / "damaged")
    model.words_ = [*words[:-1], words[0]]
    with pytest.raises(ValueError, match="words_ of the model"):
        model.save(tmp_path / "damaged")
    model.words_ = words
    model.context_counts_ = model.context_counts_[:-1]
    with pytest.raises(ValueError, match="counts of contexts"):
        model.save(tmp_path / "damaged")


def test_an_interrupted_training_of_words_goes_on(counted, tmp_path):
    model = SkipGram(factors=4, iterations=4, random_state=0, num_threads=1)
    expected = clone(model).fit(counted, show_progress=False)
    checkpoint = Checkpoint(tmp_path / "training")

    def stop(epoch, elapsed, correct, skipped):
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="2 of 4 epochs"), pytest.raises(KeyboardInterrupt):
        clone(model).fit(counted, show_progress=False, callback=stop, checkpoint=checkpoint)
    other = counted._replace(counts=counted.counts[::-1].copy())
    with pytest.raises(ValueError, match="differs in X"):
        clone(model).fit(other, show_progress=False, checkpoint=checkpoint)
    model.fit(counted, show_progress=False, checkpoint=checkpoint)
    np.testing.assert_array_equal(model.vectors_, expected.vectors_)


def test_one_seed_gives_one_result(counted):
    models = [
        SkipGram(factors=4, iterations=2, random_state=seed, num_threads=1).fit(
            counted, show_progress=False
        )
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(models[0].vectors_, models[1].vectors_)
    assert (models[0].vectors_ != models[2].vectors_).any()


@parametrize_with_checks([SkipGram(factors=5)])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.fixture
def vectors():
    generator = np.random.default_rng(0)
    return WordVectors(["sea", "lake", "été", "\N{SNOWMAN}"], generator.normal(size=(4, 7)))


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("name", ["vectors.bin", "vectors.gz"])
def test_files_of_word2vec_come_back(vectors, binary, name, tmp_path):
    vectors.save_word2vec(tmp_path / name, binary=binary)
    for given in (None, binary):
        read = WordVectors.load_word2vec(tmp_path / name, binary=given)
        assert read.words == vectors.words
        np.testing.assert_array_equal(read.vectors, vectors.vectors.astype(np.float32))


@pytest.mark.parametrize("binary", [True, False])
def test_gensim_reads_and_writes_the_same(vectors, binary, tmp_path):
    models = pytest.importorskip("gensim.models")
    vectors.save_word2vec(tmp_path / "ours", binary=binary)
    theirs = models.KeyedVectors.load_word2vec_format(str(tmp_path / "ours"), binary=binary)
    assert theirs.index_to_key == vectors.words
    np.testing.assert_array_equal(theirs.vectors, vectors.vectors.astype(np.float32))
    nearest = [word for word, _ in theirs.most_similar(positive=["sea", "lake"], negative=["été"])]
    assert [word for word, _ in vectors.most_similar(["sea", "lake"], "été")] == nearest
    theirs.save_word2vec_format(str(tmp_path / "theirs"), binary=binary)
    read = WordVectors.load_word2vec(tmp_path / "theirs")
    assert read.words == vectors.words
    np.testing.assert_allclose(read.vectors, theirs.vectors, rtol=1e-6)


def test_a_model_of_words_is_written(counted):
    model = SkipGram(factors=3, iterations=1, random_state=0).fit(counted, show_progress=False)
    file = io.BytesIO()
    model.save_word2vec(file)
    file.seek(0)
    read = WordVectors.load_word2vec(file)
    assert read.words == model.words_
    np.testing.assert_array_equal(read.vectors, model.vectors_)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "does not begin with the numbers"),
        (b"sea 0.1\n", "does not begin with the numbers"),
        (b"2 2\nsea 0.1 0.2\n", "word 2: the file ends too soon"),
        (b"1 2\nsea 0.1 x\n", "ends too soon|could not convert"),
        (b"2 1\nsea 0.1\nlake 0.1 0.2\n", "word 2: expected 1 numbers, got 2"),
        (b"2 1\nsea 0.1\nsea 0.2\n", "'sea' more than once"),
        (b"1 2\nsea \x00\x00", "ends too soon"),
        (b"1 1\n\xe9t\xe9 0.5\n", "not utf-8"),
    ],
)
def test_damaged_files_are_named(data, message):
    with pytest.raises(ValueError, match=message):
        WordVectors.load_word2vec(io.BytesIO(data))


def test_words_that_the_format_cannot_hold_are_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot hold the word 'New York'"):
        WordVectors(["New York"], [[1.0]]).save_word2vec(tmp_path / "vectors")
    with pytest.raises(TypeError, match="mode 'wb'"):
        WordVectors(["York"], [[1.0]]).save_word2vec(io.StringIO())


def test_what_is_near():
    vectors = WordVectors(
        ["man", "woman", "king", "queen", "nothing"],
        [[1, 0, 0], [0, 1, 0], [1, 0, 1], [0, 1, 1], [0, 0, 0]],
    )
    assert vectors.most_similar(["king", "woman"], "man", N=1)[0][0] == "queen"
    near = vectors.most_similar("king", N=50)
    assert len(near) == 4
    assert near == sorted(near, key=lambda pair: -pair[1])
    assert dict(near)["nothing"] == 0
    assert dict(near)["queen"] == pytest.approx(0.5)
    with pytest.raises(KeyError, match="'prince' is not one of the 5 words"):
        vectors.most_similar("prince")
    with pytest.raises(ValueError, match="needs a word"):
        vectors.most_similar([])
    with pytest.raises(ValueError, match="2 words go with as many rows"):
        WordVectors(["a", "b"], [[1.0]])


def test_weighted_positives_of_other_models_are_drawn_as_before(annotations, monkeypatch):
    """Once a row and an epoch, and as many as are stored."""
    model = VSEens(
        factors=4, iterations=1, positive_sampling="weighted", random_state=0, num_threads=1
    )
    settings = settings_of(model, annotations.shape[1])
    runs = watch_runs(monkeypatch)
    Trainer(Interactions.of(csr_matrix(annotations)), settings, 0, 1).run_epoch()
    rows, draws = (np.concatenate([run[name] for run in runs]) for name in ("rows", "draws"))
    assert len(set(rows.tolist())) == len(rows)
    lengths = np.diff(annotations.indptr)
    assert draws.sum() == lengths[lengths < annotations.shape[1]].sum()
