"""What the build has and what the processor can: asked once, when the package is imported."""


cdef extern from "platform.h" nogil:
    const int VR_OPENMP
    const char* VR_COMPILER
    int vr_max_threads()
    int vr_has_avx2()
    int vr_has_avx512()


OPENMP = VR_OPENMP
COMPILER = VR_COMPILER.decode()


def max_threads():
    """The number of threads that a parallel region would use; 1 without OpenMP."""
    return vr_max_threads()


def instruction_sets():
    """The names of the kernels that this processor runs, the fastest first."""
    names = ["plain"]
    if vr_has_avx2():
        names.insert(0, "avx2")
    if vr_has_avx512():
        names.insert(0, "avx512")
    return names
