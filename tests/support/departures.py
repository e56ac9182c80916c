"""How many calls left within a second."""

from bisect import bisect_left


def most_in_a_second(moments: list[float]) -> int:
    """In any second, wherever it begins."""
    moments = sorted(moments)
    return max(bisect_left(moments, moment + 1 - 1e-4) - n for n, moment in enumerate(moments))
