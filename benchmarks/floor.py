"""How near the training comes to a loop that does nothing but the arithmetic of its steps.

    python benchmarks/floor.py [--threads 1 2] [--repeats 7]

The stripped loop knows all its negatives beforehand: no random numbers, no look-up of what an image
has, no loss but the sign of the difference, no counts, steps that may overshoot. What it cannot
leave out is the traffic: the factors of an image stay in the nearest cache while its pairs are
trained on, and those of a positive and a negative are read and written, 4 x 4 bytes a factor, from
the cache that holds the label factors, from where they are fetched two pairs before they are
needed. It shares no code with the kernel, and is compiled with the C compiler that CC names, or cc,
for the processor at hand, whose own width its vectors have.
"""

import argparse
import ctypes
import os
import statistics
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from common import add_sizes

from vseens_rec import VSEens
from vseens_rec.choices import Adaptive
from vseens_rec.datasets import make_annotations

SOURCE = r"""
#include <stddef.h>
#include <stdint.h>
/* floats in a register of the processor: a wider vector may go through memory */
#if defined(__AVX512F__)
#define WIDTH 16
#elif defined(__AVX__)
#define WIDTH 8
#else
#define WIDTH 4
#endif
typedef float lanes __attribute__((vector_size(4 * WIDTH)));
#define AT(row, f) (*(lanes *)((row) + (f)))
/* sums that do not wait for each other */
#define SUMS 4
/* images whose pairs one thread takes, and pairs whose rows are fetched before they are needed */
#define TAKEN 32
#define AHEAD 2

static void fetch(const float *row, ptrdiff_t stride) {
    ptrdiff_t f;
    for (f = 0; f < stride; f += 16) __builtin_prefetch(row + f, 1, 3);
    __asm__ volatile("");
}

void epoch(const int64_t *indptr, const int32_t *positives, const int32_t *negatives,
           const int32_t *order, int64_t n, float *users, float *items, ptrdiff_t stride,
           float step, int threads) {
    int64_t taken;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (taken = 0; taken < n; taken += TAKEN) {
        const int64_t end = taken + TAKEN < n ? taken + TAKEN : n;
        int64_t place;
        for (place = taken; place < end; place++) {
            const int64_t first = indptr[order[place]], last = indptr[order[place] + 1];
            const int64_t next = order[place + 1 < n ? place + 1 : place];
            float *u = users + order[place] * stride;
            int64_t i;
            ptrdiff_t f;
            fetch(users + next * stride, stride);
            __builtin_prefetch(positives + indptr[next]);
            __builtin_prefetch(negatives + indptr[next]);
            for (i = first; i < last; i++) {
                const int64_t ahead =
                    i + AHEAD < last ? i + AHEAD : indptr[next] + (i + AHEAD - last);
                float *p = items + positives[i] * stride, *n = items + negatives[i] * stride;
                lanes sums[SUMS] = {{0}};
                float difference = 0, move;
                int l;
                fetch(items + positives[ahead] * stride, stride);
                fetch(items + negatives[ahead] * stride, stride);
                for (f = 0; f + SUMS * WIDTH <= stride; f += SUMS * WIDTH)
                    for (l = 0; l < SUMS; l++)
                        sums[l] += AT(u, f + l * WIDTH) *
                                   (AT(p, f + l * WIDTH) - AT(n, f + l * WIDTH));
                for (; f < stride; f += WIDTH) sums[0] += AT(u, f) * (AT(p, f) - AT(n, f));
                sums[0] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
                for (l = 0; l < WIDTH; l++) difference += sums[0][l];
                move = difference > 0 ? 0.5f * step : step;
                for (f = 0; f < stride; f += WIDTH) {
                    const lanes was = AT(u, f), up = AT(p, f), down = AT(n, f);
                    AT(u, f) = was + move * (up - down);
                    AT(p, f) = 0.999f * up + move * was;
                    AT(n, f) = 0.999f * down - move * was;
                }
            }
        }
    }
}
"""


def compile_loop(folder):
    """Compile the stripped loop and load it."""
    source, library = Path(folder) / "loop.c", Path(folder) / "loop.so"
    source.write_text(SOURCE)
    flags = ["-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC"]
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, *flags, str(source), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library)).epoch


def aligned(array):
    """Copy to rows that start on the boundaries of cache lines."""
    memory = np.zeros(array.size + 16, dtype=np.float32)
    first = -memory.ctypes.data % 64 // 4
    out = memory[first : first + array.size].reshape(array.shape)
    out[:] = array
    return out


class Stripped:
    """The loop with its data."""

    def __init__(self, loop, matrix, factors, threads):
        generator = np.random.default_rng(0)
        stride = (factors + 15) // 16 * 16
        self.loop, self.threads = loop, threads
        self.indptr = matrix.indptr.astype(np.int64)
        # the loop looks past the last pair
        self.positives = np.append(matrix.indices, [0, 0]).astype(np.int32)
        self.negatives = generator.integers(matrix.shape[1], size=matrix.nnz + 2).astype(np.int32)
        self.order = generator.permutation(matrix.shape[0]).astype(np.int32)
        self.users, self.items = (
            aligned(generator.normal(size=(n, stride)) * 0.03) for n in matrix.shape
        )

    def run_epoch(self):
        """Go over all pairs once; return the seconds."""
        started = time.perf_counter()
        arrays = (
            self.indptr,
            self.positives,
            self.negatives,
            self.order,
            len(self.order),
            self.users,
            self.items,
            self.items.shape[1],
        )
        self.loop(
            *(
                ctypes.c_void_p(value.ctypes.data)
                if isinstance(value, np.ndarray)
                else ctypes.c_ssize_t(value)
                for value in arrays
            ),
            ctypes.c_float(0.01),
            ctypes.c_int(self.threads),
        )
        return time.perf_counter() - started


def seconds_of_epochs(matrix, factors, threads, repeats, **parameters):
    """Time epochs of a fit."""
    model = VSEens(
        factors=factors, iterations=repeats + 1, num_threads=threads, random_state=0,
        selection="first", use_bias=False, learning_rate=0.01,
        fold_in_users=False, **parameters,
    )  # fmt: skip
    return model.fit(matrix, show_progress=False).history_["seconds"][1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_sizes(parser)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    matrix = make_annotations(options.images, options.labels, options.pairs, random_state=0)
    contestants = {
        f"{name}, {loss}": {"sampler": sampler, "loss": loss}
        for name, sampler in (("uniform", "uniform"), ("adaptive", Adaptive(rank_scale=0.1)))
        for loss in ("hinge", "logistic")
    }
    print(f"nanoseconds a pair, median of {options.repeats} epochs, and share of the floor reached")
    with TemporaryDirectory() as folder:
        loop = compile_loop(folder)
        for threads in options.threads:
            stripped = Stripped(loop, matrix, options.factors, threads)
            stripped.run_epoch()
            for name, parameters in contestants.items():
                # the floor next to every contestant, since a shared machine drifts
                floor = [stripped.run_epoch() for _ in range(options.repeats)]
                seconds = seconds_of_epochs(
                    matrix, options.factors, threads, options.repeats, **parameters
                )
                floor += [stripped.run_epoch() for _ in range(options.repeats)]
                low, found = statistics.median(floor), statistics.median(seconds)
                scale = 1e9 / matrix.nnz
                print(
                    f"{threads} threads: {name:20}{found * scale:6.0f}, floor {low * scale:5.0f}, "
                    f"{low / found:.0%}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
