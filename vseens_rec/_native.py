"""The choice of the kernel, which is built once for every vector instruction set."""

import importlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

import joblib
from threadpoolctl import ThreadpoolController

from . import _platform

INSTRUCTION_SET_VARIABLE = "VSEENS_REC_INSTRUCTION_SET"


def load_kernel(name: str) -> ModuleType:
    """Import the kernel of one instruction set; ImportError if it was not built."""
    return importlib.import_module(f"._kernel_{name}", __package__)


def available_kernels() -> list[str]:
    """Names of the kernels that were built and that this processor runs, the fastest first."""
    names = []
    for name in _platform.instruction_sets():
        try:
            load_kernel(name)
        except ImportError:
            continue
        names.append(name)
    return names


def _choose() -> str:
    available = available_kernels()
    wanted = os.environ.get(INSTRUCTION_SET_VARIABLE)
    if not wanted:
        return available[0]
    if wanted not in available:
        raise ImportError(
            f"{INSTRUCTION_SET_VARIABLE} is {wanted!r}, but this build and this processor have "
            f"{', '.join(available)}; unset it to use {available[0]}"
        )
    return wanted


instruction_set = _choose()
if TYPE_CHECKING:
    # the kernels of all instruction sets have one interface
    from . import _kernel_plain

    kernel = _kernel_plain
else:
    kernel = load_kernel(instruction_set)


class Fork:
    """Whether this process is the fork of one that had threads, for which it would wait in vain."""

    had_threads = False
    lost_threads = False

    @classmethod
    def in_child(cls) -> None:
        cls.lost_threads = cls.had_threads


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Fork.in_child)


# below this a second thread costs more than it brings, and one thread gives the same bits
MIN_PAIRS_PER_THREAD = 4096
# more only wait for each other
MOST_THREADS_PER_PROCESSOR = 4


def bounded_threads(num_threads: int) -> int:
    """Limit the threads, as OpenMP ends the process if it cannot start all it is asked for."""
    return min(num_threads, MOST_THREADS_PER_PROCESSOR * (os.cpu_count() or 1))


def effective_threads(num_threads: int) -> int:
    """Resolve 0 to what OpenMP, the environment and the process's share of processors allow.

    The child of a fork has one where the parent may have used several, as they are lost to it.
    """
    if num_threads < 0:
        raise ValueError(
            f"num_threads must be at least 0, got {num_threads}: 0 takes all processors"
        )
    if not _platform.OPENMP or Fork.lost_threads:
        return 1
    if num_threads == 0:
        num_threads = max(1, min(_platform.max_threads(), joblib.cpu_count()))
    num_threads = bounded_threads(num_threads)
    Fork.had_threads = Fork.had_threads or num_threads > 1
    return num_threads


def threads_for(n_pairs: int, num_threads: int) -> int:
    """Limit the threads to what the work is worth."""
    return max(1, min(num_threads, n_pairs // MIN_PAIRS_PER_THREAD))


_helpers: list[ThreadPoolExecutor] = []


def helpers() -> ThreadPoolExecutor:
    """Return threads that wait for work of a fraction of a millisecond, as many as processors."""
    if not _helpers:
        _helpers.append(ThreadPoolExecutor(os.cpu_count() or 1, "vseens_rec"))
    return _helpers[0]


class _Blas:
    """The BLAS libraries of the process, whose threads are counted for all that use them.

    Calls that overlap have the lowest of their limits, and the last one to end puts back what was
    there before the first.
    """

    def __init__(self) -> None:
        self.libraries: list[Any] | None = None
        self.before: list[int] = []
        self.limits: list[int] = []
        self.lock = Lock()

    @contextmanager
    def limit(self, num_threads: int) -> Iterator[None]:
        """Keep BLAS to so many threads inside a with statement."""
        with self.lock:
            if self.libraries is None:
                # looking for them takes milliseconds: once a process
                self.libraries = ThreadpoolController().select(user_api="blas").lib_controllers
            if not self.limits:
                self.before = [library.num_threads for library in self.libraries]
            self.limits.append(num_threads)
            self._apply()
        try:
            yield
        finally:
            with self.lock:
                self.limits.remove(num_threads)
                self._apply()

    def _apply(self) -> None:
        for library, before in zip(self.libraries or (), self.before, strict=True):
            wanted = min([before, *self.limits])
            if library.num_threads != wanted:
                library.set_num_threads(wanted)


_blas = _Blas()


def _forget_other_threads() -> None:
    global _blas
    # one that held the lock is not in the child of a fork
    _blas = _Blas()
    _helpers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)


def limit_blas(num_threads: int = 1) -> AbstractContextManager[None]:
    """Keep BLAS to so many threads inside a with statement; 0: as many as it has."""
    return _blas.limit(num_threads) if num_threads > 0 else nullcontext()


class Config(TypedDict):
    """What `show_config` tells."""

    version: str
    instruction_set: str
    instruction_sets: list[str]
    openmp: int
    threads: int
    compiler: str


@overload
def show_config(mode: Literal["stdout"] = "stdout") -> None: ...
@overload
def show_config(mode: Literal["dicts"]) -> Config: ...
def show_config(mode: str = "stdout") -> Config | None:
    """Show how the package was built and what it uses here.

    Parameters
    ----------
    mode : {"stdout", "dicts"}, default="stdout"
        Print the configuration, or return it as a dictionary.

    Returns
    -------
    dict or None
        With ``mode="dicts"``: ``version``, ``instruction_set`` (in use),
        ``instruction_sets`` (that could be used here), ``openmp`` (the specification's date as
        an integer, 0 without OpenMP), ``threads`` (what ``num_threads=0`` means) and
        ``compiler``.

    Notes
    -----
    Set the environment variable ``VSEENS_REC_INSTRUCTION_SET`` to ``plain``, ``avx2`` or
    ``avx512`` before the import to force one.

    Examples
    --------
    >>> import vseens_rec
    >>> sorted(vseens_rec.show_config(mode="dicts"))
    ['compiler', 'instruction_set', 'instruction_sets', 'openmp', 'threads', 'version']
    """
    from . import __version__

    if mode not in ("stdout", "dicts"):
        raise ValueError(f"mode must be 'stdout' or 'dicts', got {mode!r}")
    config: Config = {
        "version": __version__,
        "instruction_set": instruction_set,
        "instruction_sets": available_kernels(),
        "openmp": _platform.OPENMP,
        "threads": effective_threads(0),
        "compiler": _platform.COMPILER,
    }
    if mode == "dicts":
        return config
    for name, value in config.items():
        print(f"{name:17} {value}")
    if not config["openmp"]:
        print("built without OpenMP: training uses one thread")
    return None
