from typing import Final

OPENMP: Final[int]
COMPILER: Final[str]

def max_threads() -> int: ...
def instruction_sets() -> list[str]: ...
