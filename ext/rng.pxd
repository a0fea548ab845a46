"""Counter-based random numbers, keyed by (seed, epoch, row).

SplitMix64 with a stream of its own for every key: the start and the (odd) increment are both
hashes of the key, as in Steele, Lea and Flood, Fast splittable pseudorandom number generators
(OOPSLA 2014). The n-th number of a row is a function of the key and n alone.
"""

from libc.stdint cimport uint32_t, uint64_t


ctypedef struct Random:
    uint64_t state
    uint64_t increment


cdef inline uint64_t mix(uint64_t z) noexcept nogil:
    z = (z ^ (z >> 30)) * <uint64_t> 0xbf58476d1ce4e5b9
    z = (z ^ (z >> 27)) * <uint64_t> 0x94d049bb133111eb
    return z ^ (z >> 31)


cdef inline Random random_stream(uint64_t seed, uint64_t epoch, uint64_t row) noexcept nogil:
    cdef Random random
    cdef uint64_t key = mix(mix(mix(seed) + epoch) + row)
    random.state = mix(key)
    random.increment = mix(key + <uint64_t> 0x9e3779b97f4a7c15) | 1
    return random


cdef inline uint64_t next_random(Random* random) noexcept nogil:
    random.state += random.increment
    return mix(random.state)


# floor(number n / 2^32): the upper half is a number below n, the lower half a fraction of 2^32
# that is independent of it. Exact for every n below 2^32.
cdef inline uint64_t scaled(uint64_t number, uint32_t n) noexcept nogil:
    return (number >> 32) * n + (((number & <uint64_t> 0xffffffff) * n) >> 32)


cdef inline uint32_t below(Random* random, uint32_t n) noexcept nogil:
    return <uint32_t> (scaled(next_random(random), n) >> 32)


# two numbers in [0, 1) with 24 bits each, exact in float32
cdef inline float upper_unit(uint64_t number) noexcept nogil:
    return <float> (number >> 40) * <float> 5.9604644775390625e-08


cdef inline float lower_unit(uint64_t number) noexcept nogil:
    return <float> (number & 0xffffff) * <float> 5.9604644775390625e-08
