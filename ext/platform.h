/* Which vector instruction sets this processor and its operating system run. */
#ifndef VSEENS_REC_PLATFORM_H
#define VSEENS_REC_PLATFORM_H

#ifdef _OPENMP
#include <omp.h>
#define VR_OPENMP _OPENMP
static int vr_max_threads(void) { return omp_get_max_threads(); }
#else
#define VR_OPENMP 0
static int vr_max_threads(void) { return 1; }
#endif

#if (defined(__GNUC__) || defined(__clang__)) && (defined(__x86_64__) || defined(__i386__))

static int vr_has_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static int vr_has_avx512(void) {
    __builtin_cpu_init();
    return vr_has_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

#elif defined(_MSC_VER) && defined(_M_X64)

#include <immintrin.h>
#include <intrin.h>

static int vr_enabled(unsigned long long state) {
    int leaf[4];
    __cpuid(leaf, 1);
    /* the operating system saves the registers (bit 27) of this kind; fused multiply-add, bit 12 */
    return (leaf[2] & (1 << 27)) && (leaf[2] & (1 << 12)) && (_xgetbv(0) & state) == state;
}

static int vr_leaf7(int bits) {
    int leaf[4];
    __cpuid(leaf, 0);
    if (leaf[0] < 7) return 0;
    __cpuidex(leaf, 7, 0);
    return (leaf[1] & bits) == bits;
}

static int vr_has_avx2(void) { return vr_enabled(0x6) && vr_leaf7(1 << 5); }

static int vr_has_avx512(void) {
    return vr_enabled(0xe6) && vr_leaf7((1 << 5) | (1 << 16) | (1 << 17) | (1 << 30)) &&
           vr_leaf7((int)(1u << 31));
}

#else

static int vr_has_avx2(void) { return 0; }
static int vr_has_avx512(void) { return 0; }

#endif

#if defined(__clang__)
#define VR_COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define VR_COMPILER "gcc " __VERSION__
#elif defined(_MSC_VER)
#define VR_COMPILER "msvc"
#else
#define VR_COMPILER "unknown"
#endif

#endif
