"""
Vectors of words
================

Count which words stand near each other in some books, learn a vector of each, ask for neighbours,
and draw the most frequent words. Without a book it reads the reference of the Python language that
comes with Python, a small text on one subject::

    python examples/word_vectors.py book.txt another.txt.gz --out words.png

A file has words between white space and a sentence, or a paragraph, a line. A million words take
about ten seconds.
"""

import argparse
import gzip
import itertools
import re
from pydoc_data.topics import topics

import matplotlib.pyplot as plt
from sklearn.manifold import TSNE

from vseens_rec import SkipGram
from vseens_rec.text import count_skip_grams

parser = argparse.ArgumentParser()
parser.add_argument("books", nargs="*", help="files of text, packed or not")
parser.add_argument("--out", help="write the picture to this file in place of showing it")
parser.add_argument("--vectors", help="write the vectors to this file, for gensim and others")
options = parser.parse_args()

# %%
# From text to counts
# -------------------
#
# Sentences are lists of words. They are read once and can come one at a time, so that a text need
# not fit into memory.


def lines(name):
    """Yield the lines of a file."""
    opens = gzip.open if name.endswith(".gz") else open
    with opens(name, "rt", encoding="utf-8") as file:
        yield from file


def sentences():
    """Yield the words of every sentence, in lower case."""
    texts = topics.values()
    if options.books:
        texts = itertools.chain.from_iterable(map(lines, options.books))
    for text in texts:
        for sentence in re.split(r"[.!?:]\s|\n\s*\n", text):
            yield re.findall(r"[^\W\d_]+", sentence.lower())


counted = count_skip_grams(sentences(), min_count=5, sample=1e-3)
print(f"{counted.counts.sum():,} words, {len(counted.words):,} different ones")
print("the most frequent:", ", ".join(counted.words[:10]))

# %%
# Vectors
# -------
#
# A small text is gone through more often, in larger steps, than a large one.

few = counted.counts.sum() < 5_000_000
model = SkipGram(learning_rate=0.05 if few else 0.025, iterations=20 if few else 5, random_state=0)
model.fit(counted, show_progress=False)
if options.vectors:
    model.save_word2vec(options.vectors)

# %%
# Neighbours
# ----------
#
# Words that stand in the same company have vectors of the same direction.

asked = ["king", "sea", "walked"] if options.books else ["integer", "class", "imported"]
for word in asked:
    if word in model.vocabulary_:
        near = ", ".join(f"{other} {cosine:.2f}" for other, cosine in model.most_similar(word, N=6))
        print(f"{word}: {near}")

# %%
# A picture
# ---------
#
# The words behind the hundred most frequent ones, which mean little by themselves, in the plane.

DRAWN = range(100, 280)

rows = list(itertools.islice(DRAWN, max(0, len(model.words_) - DRAWN.start)))
plane = TSNE(metric="cosine", perplexity=12, random_state=0).fit_transform(model.vectors_[rows])
figure, axes = plt.subplots(figsize=(9, 7), layout="constrained")
axes.scatter(*plane.T, s=0)
for row, (x, y) in zip(rows, plane, strict=True):
    axes.annotate(model.words_[row], (x, y), ha="center", va="center", size=8)
axes.axis("off")
figure.suptitle("Words lie beside those of the same company", size=14)
if options.out:
    figure.savefig(options.out, dpi=90)
else:
    plt.show()
