"""How much the kernel is given to do in one call."""

# it returns to Python about this often, so that an interrupt is seen soon
SECONDS_PER_CALL = 0.2
# until it is known how long they take
FIRST_PAIRS = 256


class CallSize:
    """How many pairs one call of the kernel may train on, from how long the last ones took.

    Results do not depend on it: every row has random numbers of its own.
    """

    def __init__(self) -> None:
        self.pairs = FIRST_PAIRS

    def record(self, pairs: int, seconds: float) -> None:
        """Follow the speed, upwards in steps."""
        if not pairs:
            return
        affordable = pairs * SECONDS_PER_CALL / max(seconds, 1e-9)
        self.pairs = max(1, int(min(affordable, 8 * max(pairs, self.pairs))))
