"""Build of the extension modules; everything else is in pyproject.toml.

Every vector instruction set gets its own module, compiled from ext/kernel.pxi with other flags.
The package chooses one of them when it is imported (vseens_rec/_native.py), so one build runs on
every processor of its architecture.

Environment variables
---------------------
VSEENS_REC_NO_OPENMP=1
    Build without OpenMP, for one thread.
VSEENS_REC_INSTRUCTION_SETS=avx2,avx512
    Build kernels for these vector instructions beside the plain one, in place of all that the
    compiler knows.
VSEENS_REC_WERROR=1
    Turn the compiler's warnings into errors.
"""

import os
import platform
import sys
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError

OPENMP_PROBE = """
#include <omp.h>
int main(void) { return omp_get_max_threads() > 0 ? 0 : 1; }
"""
EMPTY_PROBE = "int main(void) { return 0; }\n"

# flags that have no effect on the result but are not known to every compiler are not used at all
OPTIMISE = {"unix": ["-O3", "-fno-math-errno"], "msvc": ["/O2"]}
WARNINGS = {"unix": ["-Wall", "-Wextra"], "msvc": ["/W3"]}
# C that Cython writes has unused parameters and compares signs; the sources here do not
WARNINGS_OFF = {
    "unix": ["-Wno-unused-parameter", "-Wno-sign-compare", "-Wno-missing-field-initializers"],
    "msvc": [],
}
OPENMP = {"unix": [["-fopenmp"], ["-Xpreprocessor", "-fopenmp"]], "msvc": [["/openmp"]]}
OPENMP_LINK = {"-fopenmp": ["-fopenmp"], "-Xpreprocessor": ["-lomp"], "/openmp": []}
INSTRUCTION_SETS = {
    "unix": {
        "avx2": ["-mavx2", "-mfma", "-mprfchw"],
        "avx512": [
            "-mavx512f",
            "-mavx512bw",
            "-mavx512dq",
            "-mavx512vl",
            "-mfma",
            "-mprfchw",
            "-mprefer-vector-width=512",
        ],
    },
    "msvc": {"avx2": ["/arch:AVX2"], "avx512": ["/arch:AVX512"]},
}
KERNEL = 'include "kernel.pxi"\n'
IS_X86 = platform.machine().lower() in {"x86_64", "amd64"}


class BuildExtension(build_ext):
    """Gives each module the flags that the compiler at hand understands."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()
        # what was built with other flags looks up to date by its time
        self.force = True

    def build_extensions(self):
        kind = "msvc" if self.compiler.compiler_type == "msvc" else "unix"
        common = OPTIMISE[kind] + WARNINGS[kind]
        common += [flag for flag in WARNINGS_OFF[kind] if self.compiles(EMPTY_PROBE, [flag])]
        if os.environ.get("VSEENS_REC_WERROR") == "1":
            common.append("/WX" if kind == "msvc" else "-Werror")
        openmp, openmp_link = self.find_openmp(kind)
        for extension in self.extensions:
            extension.extra_compile_args = common + openmp
            extension.extra_link_args = openmp_link
        wanted = wanted_instruction_sets(kind)
        kept = []
        for extension in self.extensions:
            name = extension.name.rpartition("_")[2]
            flags = INSTRUCTION_SETS[kind].get(name, [])
            if flags and not (name in wanted and IS_X86 and self.compiles(EMPTY_PROBE, flags)):
                if name in wanted:
                    print(f"{name} is not known to this compiler: left out", file=sys.stderr)
                continue
            extension.extra_compile_args = extension.extra_compile_args + flags
            kept.append(extension)
        self.extensions = kept
        super().build_extensions()

    def find_openmp(self, kind):
        if os.environ.get("VSEENS_REC_NO_OPENMP") == "1":
            return [], []
        for flags in OPENMP[kind]:
            link = OPENMP_LINK[flags[0]]
            if self.compiles(OPENMP_PROBE, flags, link):
                return flags, link
        print("OpenMP was not found: the package will train on one thread", file=sys.stderr)
        return [], []

    def compiles(self, source, flags, link=()):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "probe.c")
            path.write_text(source)
            try:
                objects = self.compiler.compile(
                    [str(path)], output_dir=folder, extra_postargs=list(flags)
                )
                if link:
                    self.compiler.link_executable(
                        objects, "probe", output_dir=folder, extra_postargs=list(link)
                    )
            except (CompileError, LinkError):
                return False
        return True


def wanted_instruction_sets(kind):
    known = INSTRUCTION_SETS[kind]
    wanted = os.environ.get("VSEENS_REC_INSTRUCTION_SETS")
    if wanted is None:
        return set(known) if IS_X86 else set()
    names = {name.strip() for name in wanted.split(",")} - {"", "plain"}
    if not names <= set(known):
        raise SystemExit(
            f"VSEENS_REC_INSTRUCTION_SETS={wanted!r} names sets that there are not: use some of "
            f"{', '.join(known)}, or nothing for the plain kernel alone"
        )
    return names


def extension(name, source):
    depends = [str(path) for path in sorted(Path("ext").rglob("*.*"))]
    return Extension(f"vseens_rec._{name}", [str(source)], include_dirs=["ext"], depends=depends)


def kernel_sources():
    """Write the source of each instruction set's kernel, which are the same but for their names."""
    folder = Path("build", "kernels")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("plain", *INSTRUCTION_SETS["unix"]):
        path = folder / f"kernel_{name}.pyx"
        # what is written anew looks changed
        if not path.exists() or path.read_text() != KERNEL:
            path.write_text(KERNEL)
        yield path


def translated(extensions, build_dir=None):
    """Write the C of the modules: to a folder of its own, or beside what is in `build` already."""
    return cythonize(
        extensions,
        include_path=["ext"],
        build_dir=build_dir,
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "embedsignature": True,
        },
    )


setup(
    ext_modules=[
        *translated(
            [extension(name, f"ext/{name}.pyx") for name in ("platform", "counting")], "build"
        ),
        *translated([extension(path.stem, path) for path in kernel_sources()]),
    ],
    cmdclass={"build_ext": BuildExtension},
)
