"""Hard checks that need the whole list in view; the record is quarantined. Pure functions."""

from collections import Counter
from collections.abc import Iterator

from rankspider.endpoint.answer import END_OF_TIME, Answer, BrokenRow, Row

HOUR = 3600


def list_problem(answer: Answer) -> str | None:
    """Why ``answer`` is not the list of an hour at all, rows included; None if it is."""
    if not 0 < answer.begin_time < END_OF_TIME or answer.begin_time % HOUR:
        return "begin_time is not on an hour"
    return None


def checked_rows(answer: Answer) -> Iterator[tuple[Row | BrokenRow, str | None]]:
    """Each listed row with why it cannot be trusted, or None."""
    times = Counter(row.user.id_str for row in answer.rows if isinstance(row, Row))
    for place, row in enumerate(answer.rows, start=1):
        if isinstance(row, BrokenRow):
            yield row, row.reason
        elif times[row.user.id_str] > 1:
            yield row, "user stands in the list more than once"
        elif row.shape.rank != place:
            yield row, "rank is not the row's place in the list"
        else:
            yield row, None
