# Rows of factors as the kernel wants them.

from libc.stdint cimport int64_t
from libc.string cimport memcmp

from buffers cimport new_rows, padded_floats


def aligned_rows(Py_ssize_t n_rows, Py_ssize_t stride):
    """Make a float32 (n_rows, stride) array of zeros whose data starts on a 64-byte boundary."""
    return new_rows(n_rows, stride)


def padded_width(int columns):
    """Floats in a padded row of so many columns."""
    return padded_floats(columns)


def same_rows(const float[:, ::1] padded not None, const float[:, ::1] rows not None):
    """Tell whether rows are, to the bit, those of padded ones."""
    cdef int64_t n = rows.shape[0], k = rows.shape[1], i
    cdef bint same = padded.shape[0] == n and padded.shape[1] >= k
    if not same or k == 0 or n == 0:
        return same
    with nogil:
        if padded.shape[1] == k:
            # all at once
            k, n = n * k, 1
        for i in range(n):
            if memcmp(&padded[i, 0], &rows[i, 0], k * sizeof(float)) != 0:
                same = False
                break
    return same
