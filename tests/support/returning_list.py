"""A list whose points are taken back, so that an earlier state of it returns."""

import datetime as dt

HOUR_OF_ALL = dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC)
A = [("1001", 100), ("1002", 90), ("1003", 80)]
B = [("1001", 100), ("1003", 95), ("1002", 90)]
C = [("1003", 120), ("1001", 100), ("1002", 90)]


def at(seconds: float) -> dt.datetime:
    return HOUR_OF_ALL + dt.timedelta(seconds=seconds)


def standing_in(state: list[tuple[str, int]], user_id: str) -> tuple[int, int, int]:
    """Place, points, points behind the next better place."""
    place = [user for user, _ in state].index(user_id)
    score = state[place][1]
    return place + 1, score, state[place - 1][1] - score if place else 0
