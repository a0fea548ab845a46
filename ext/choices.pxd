"""The numbers of what is chosen by name."""


# the number of a name among those there are
cdef inline int number_of(str name, dict numbers, str argument) except -1:
    if name not in numbers:
        raise ValueError(f"{argument} must be one of {', '.join(numbers)}, got {name!r}")
    return numbers[name]
