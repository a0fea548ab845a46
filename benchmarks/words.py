"""Word vectors beside gensim's: similarity, analogies, words a second, and how counting grows.

    python benchmarks/words.py --data FOLDER [--words 17e6] [--models gensim popularity adaptive]
        [--seeds 3] [--threads 1] [--learning-rate 0.025] [--exponent 0.75] [--rank-scale 0.3]
        [--verify] [--held-out 1e6]
    python benchmarks/words.py --data FOLDER --speed [--words 1e6] [--threads 1 2]
    python benchmarks/words.py --data FOLDER --counting 1e6 17e6 200e6

FOLDER has classic_books_17m.txt.gz, the similarity sets EN-*.txt of eval-word-vectors and
questions-words.txt of word2vec. All models have 100 dimensions, 5 negatives, a window of 5, words
that occur 5 times, subsampling at 1e-4 and 5 epochs, and read the text in lines of 1,000 words.

The first form trains and measures: Spearman's correlation with each similarity set, of the pairs
whose words are known; the share of analogies that are right (the nearest to b - a + c by the
cosine, among the 30,000 most frequent words), semantic and syntactic; and, with --held-out, how
often a context from so many words behind the text scores above another's (by dot product; to tune
with, as it needs no test set). Seconds are those of the processor, all threads together, so that
what else the machine does counts little. Models: gensim; SkipGram with negatives by "popularity",
with "adaptive" ones, and "hard", the highest 5 of 10 by popularity.

--speed: words of the text times epochs, by the seconds of counting and training. --counting:
seconds and peak memory of `count_skip_grams`, each in a process of its own; beyond the words of the
file, they are drawn by Zipf's law, and nothing is near anything but by chance, which makes for more
different pairs than text has; drawing them is part of the time.
"""

import argparse
import gzip
import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from vseens_rec import SkipGram
from vseens_rec.choices import Adaptive, ByPopularity, Group
from vseens_rec.text import WordVectors, count_skip_grams

TEXT = "classic_books_17m.txt.gz"
SIMILARITY = {
    "WS-353": "EN-WS-353-ALL",
    "SimLex": "EN-SIMLEX-999",
    "MEN": "EN-MEN-TR-3k",
    "RW": "EN-RW-STANFORD",
    "MTurk-287": "EN-MTurk-287",
    "MTurk-771": "EN-MTurk-771",
}
DIMENSIONS, NEGATIVES, WINDOW, MIN_COUNT, SAMPLE, EPOCHS = 100, 5, 5, 5, 1e-4, 5
WORDS_IN_LINE = 1000
WORDS_OF_ANALOGIES = 30_000
QUESTIONS_AT_ONCE = 500
MOST_HELD_OUT_PAIRS = 400_000
ZIPF_WORDS = 100_000
ZIPF_AT_ONCE = 1000


def cut(data, n_words, folder):
    """Write the text in lines; return the path and the words behind it."""
    with gzip.open(data / TEXT, "rt") as file:
        words = file.read().split()
    n_words = min(n_words, len(words))
    path = Path(folder, "text.txt")
    with open(path, "w") as file:
        for start in range(0, n_words, WORDS_IN_LINE):
            file.write(" ".join(words[start : min(n_words, start + WORDS_IN_LINE)]) + "\n")
    return path, n_words, words[n_words:]


def train_gensim(path, seed, threads):
    from gensim.models import Word2Vec
    from gensim.models.word2vec import LineSentence

    model = Word2Vec(
        LineSentence(str(path)),
        sg=1,
        vector_size=DIMENSIONS,
        window=WINDOW,
        negative=NEGATIVES,
        min_count=MIN_COUNT,
        sample=SAMPLE,
        epochs=EPOCHS,
        seed=seed,
        workers=threads,
    )
    return WordVectors(model.wv.index_to_key, model.wv.vectors), model.syn1neg


def train_skip_gram(path, seed, threads, name, options):
    sampler = ByPopularity(exponent=options.exponent)
    if name == "adaptive":
        sampler = Adaptive(rank_scale=options.rank_scale)
    is_hard = name == "hard"
    model = SkipGram(
        factors=DIMENSIONS,
        learning_rate=options.learning_rate,
        iterations=EPOCHS,
        window=WINDOW,
        min_count=MIN_COUNT,
        sample=SAMPLE,
        sampler=sampler,
        selection=Group(size=NEGATIVES) if is_hard else "first",
        candidates=2 * NEGATIVES if is_hard else NEGATIVES,
        verify_negative_samples=options.verify,
        num_threads=threads,
        random_state=seed,
    )
    model.fit(path, show_progress=False)
    return model.word_vectors_, model.item_factors


def train(name, path, seed, threads, options):
    if name == "gensim":
        return train_gensim(path, seed, threads)
    return train_skip_gram(path, seed, threads, name, options)


def unit_rows(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def similarity(vectors, data):
    """Correlations, and how many of the pairs are known."""
    unit, found = unit_rows(vectors.vectors), {}
    for name, file in SIMILARITY.items():
        lines = [line.split() for line in (data / f"{file}.txt").read_text().splitlines()]
        pairs = [(a.lower(), b.lower(), float(score)) for a, b, score in filter(None, lines)]
        known = [pair for pair in pairs if pair[0] in vectors and pair[1] in vectors]
        cosines = [unit[vectors.vocabulary[a]] @ unit[vectors.vocabulary[b]] for a, b, _ in known]
        scores = [score for _, _, score in known]
        found[name] = (spearmanr(scores, cosines).statistic, len(known), len(pairs))
    return found


def analogies(vectors, data):
    """How many of the semantic and the syntactic questions are answered, and there are."""
    unit = unit_rows(vectors.vectors[:WORDS_OF_ANALOGIES])
    questions, kinds, kind = [], [], None
    for line in (data / "questions-words.txt").read_text().splitlines():
        if line.startswith(":"):
            kind = "syntactic" if "gram" in line else "semantic"
            continue
        rows = [vectors.vocabulary.get(word.lower(), len(unit)) for word in line.split()]
        if max(rows) < len(unit):
            questions.append(rows)
            kinds.append(kind)
    right = []
    for start in range(0, len(questions), QUESTIONS_AT_ONCE):
        rows = np.array(questions[start : start + QUESTIONS_AT_ONCE])
        a, b, c, answer = rows.T
        cosines = (unit[b] - unit[a] + unit[c]) @ unit.T
        np.put_along_axis(cosines, rows[:, :3], -np.inf, axis=1)
        right.extend(cosines.argmax(axis=1) == answer)
    kinds, right = np.array(kinds), np.array(right)
    return {
        kind: (int(right[kinds == kind].sum()), int((kinds == kind).sum()))
        for kind in ("semantic", "syntactic")
    }


def held_out_pairs(vectors, text, counts):
    """Words, a context of each from a text that was not trained on, and another's context."""
    generator = np.random.default_rng(0)
    ids = np.array([vectors.vocabulary.get(word, -1) for word in text])
    ids = ids[ids >= 0]
    ratio = SAMPLE / (counts / counts.sum())
    ids = ids[generator.random(len(ids)) < (np.sqrt(ratio) + ratio)[ids]]
    words, contexts = [], []
    for distance in range(1, WINDOW + 1):
        inside = generator.random(len(ids) - distance) < (WINDOW + 1 - distance) / WINDOW
        words.append(ids[:-distance][inside])
        contexts.append(ids[distance:][inside])
    words, contexts = np.concatenate(words), np.concatenate(contexts)
    chosen = generator.permutation(len(words))[:MOST_HELD_OUT_PAIRS]
    words, contexts = words[chosen], contexts[chosen]
    return words, contexts, generator.permutation(contexts)


def compare(options, path, held_out):
    count_of = None
    for seed, name in itertools.product(range(1, options.seeds + 1), options.models):
        for threads in options.threads:
            started = time.process_time()
            vectors, contexts = train(name, path, seed, threads, options)
            seconds = time.process_time() - started
            parts = [f"{name:10} seed {seed} threads {threads} {seconds:6.0f} s"]
            if held_out:
                if count_of is None:
                    counted = count_skip_grams(path, window=1, min_count=MIN_COUNT)
                    count_of = dict(zip(counted.words, counted.counts, strict=True))
                counts = np.array([count_of[word] for word in vectors.words])
                words, right, wrong = held_out_pairs(vectors, held_out, counts)
                scores = [
                    np.einsum("ij,ij->i", vectors.vectors[words], contexts[other])
                    for other in (right, wrong)
                ]
                parts.append(f"held out {(scores[0] > scores[1]).mean():.4f}")
            for set_name, (value, n_known, n_pairs) in similarity(vectors, options.data).items():
                parts.append(f"{set_name} {value:.3f} ({n_known}/{n_pairs})")
            found = analogies(vectors, options.data)
            for kind, (n_right, n_asked) in found.items():
                parts.append(f"{kind} {n_right}/{n_asked}")
            share = sum(n for n, _ in found.values()) / max(1, sum(n for _, n in found.values()))
            parts.append(f"analogies {share:.4f}")
            print(", ".join(parts), flush=True)


def speed(options, path, n_words):
    for threads, name in itertools.product(options.threads, options.models):
        started, by_processor = time.perf_counter(), time.process_time()
        train(name, path, 1, threads, options)
        seconds = time.perf_counter() - started
        by_processor = time.process_time() - by_processor
        print(
            f"{name:10} threads {threads} {n_words * EPOCHS / seconds:10,.0f} words/s "
            f"({seconds:.1f} s, {by_processor:.1f} s of the processor)",
            flush=True,
        )


def zipf_sentences(n_words):
    generator = np.random.default_rng(0)
    weights = 1 / np.arange(1, ZIPF_WORDS + 1)
    running = np.cumsum(weights / weights.sum())
    names = np.array([f"w{rank}" for rank in range(ZIPF_WORDS)], dtype=object)
    for _ in range(0, n_words, ZIPF_AT_ONCE):
        ranks = np.searchsorted(running, generator.random(ZIPF_AT_ONCE))
        yield names[np.minimum(ranks, ZIPF_WORDS - 1)]


def peak_bytes():
    """The most memory that this process had."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def count_once(text, n_words, threads):
    """Count in this process: seconds, and the most memory there was."""
    if text is None:
        text = zipf_sentences(n_words)
    before = peak_bytes()
    started, by_processor = time.perf_counter(), time.process_time()
    matrix = count_skip_grams(
        text, window=WINDOW, min_count=MIN_COUNT, sample=SAMPLE, num_threads=threads
    ).matrix
    seconds = time.perf_counter() - started
    by_processor = time.process_time() - by_processor
    size = matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes
    print(
        f"{n_words:,} words, threads {threads}: vocabulary {matrix.shape[0]:,}, "
        f"{matrix.nnz:,} stored counts of {size / 2**30:.3f} GiB, {seconds:.1f} s "
        f"({by_processor:.1f} s of the processor), "
        f"peak {(peak_bytes() - before) / 2**30:.3f} GiB",
        flush=True,
    )


def count_in_processes(options):
    for n_words, threads in itertools.product(map(int, options.counting), options.threads):
        with tempfile.TemporaryDirectory() as folder:
            path, in_file, _ = cut(options.data, n_words, folder)
            call = [sys.executable, __file__, "--data", options.data, "--threads", threads]
            call += ["--count-here", n_words]
            if n_words <= in_file:
                call += ["--text", path]
            subprocess.run([str(part) for part in call], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--words", type=float, default=17e6)
    parser.add_argument("--models", nargs="+", default=["gensim", "popularity", "adaptive"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--learning-rate", type=float, default=0.025)
    parser.add_argument("--exponent", type=float, default=0.75)
    parser.add_argument("--rank-scale", type=float)
    parser.add_argument("--verify", action="store_true", help="draw no true context as a negative")
    parser.add_argument("--held-out", type=float, default=0)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--counting", type=float, nargs="+")
    parser.add_argument("--text", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--count-here", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.count_here:
        count_once(options.text, options.count_here, options.threads[0])
        return
    if options.counting:
        count_in_processes(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        path, n_words, rest = cut(options.data, int(options.words), folder)
        if options.speed:
            speed(options, path, n_words)
        else:
            compare(options, path, rest[: int(options.held_out)])


if __name__ == "__main__":
    main()
