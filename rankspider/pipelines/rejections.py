"""Log rejected records: the first of each reason, and the counts at a worker's end.

Not each of them: where the endpoint has changed, every row of every answer is rejected.
"""

import logging
import re

from scrapy.statscollectors import StatsCollector

from rankspider.endpoint.answer import of_data
from rankspider.endpoint.checks import list_problem, listed_rows
from rankspider.endpoint.failure import AnswerError
from rankspider.items import Form, RejectedItem
from rankspider.terminal import shortened

logger = logging.getLogger(__name__)

_SINGULAR = {"rows": "row", "users": "user", "lists": "list"}
# Reasons hold places, such as that of a byte; without them there are some dozens.
_MOST_REASONS = 50
_NUMBER = re.compile(r"\d+")
_MOST_COLUMNS = 300
_WHERE = "further ones are only counted, and 'scrapy rejects' shows all"


class Rejections:
    """Logs a rejected record if it is the first for its reason, else nothing.

    An error if it is a list that cannot be read, or none of whose rows can be trusted; any other
    is a warning.
    """

    def __init__(self) -> None:
        self._warned: set[tuple[str, str]] = set()
        self._lost: set[tuple[str, str]] = set()

    def note(self, item: RejectedItem) -> None:
        reason = item.kind, _NUMBER.sub("0", item.reason)
        if reason in self._lost:
            return
        # A list is looked at whether or not a warning was given: a whole one may be lost later.
        loss = _loss(item) if item.kind == "lists" else None
        if loss is not None:
            self._lost.add(reason)
            logger.error("A list was rejected%s; %s", _shortened(loss), _WHERE)
        elif reason not in self._warned and len(self._warned) < _MOST_REASONS:
            self._warned.add(reason)
            detail = f" ({item.detail})" if item.detail else ""
            explained = _shortened(f": {item.reason}{detail}")
            logger.warning("A %s was rejected%s; %s", _SINGULAR[item.kind], explained, _WHERE)
            if len(self._warned) == _MOST_REASONS:
                logger.warning("No further reasons are logged: these were %d", _MOST_REASONS)


def log_counts(stats: StatsCollector) -> None:
    """Log one warning for a whole run, if anything was rejected in it."""
    counts = {kind: stats.get_value(f"rank/{kind}/rejected", 0) for kind in _SINGULAR}
    counted = [_counted(count, kind) for kind, count in counts.items() if count]
    if counted:
        logger.warning(
            "Rejected, counted in each answer: %s; 'scrapy rejects' shows them", ", ".join(counted)
        )


def _counted(count: int, kind: str) -> str:
    return f"{count} {_SINGULAR[kind] if count == 1 else kind}"


def _shortened(text: str) -> str:
    return shortened(text, _MOST_COLUMNS)


def _loss(item: RejectedItem) -> str | None:
    """Return why nothing can be made of a list; None if only some of its rows are to blame."""
    if item.form is not Form.ANSWER:
        return None  # it could be read, and its rows are judged by themselves
    try:
        answer = of_data(item.payload.encode(), round(item.observed_at.timestamp() * 1000))
    except AnswerError:
        return f": {item.reason}"
    problems = [listed.problem() for listed in listed_rows(answer)]
    if list_problem(answer) is not None or not any(problems):
        return f": {item.reason}"
    if not all(problems):
        return None
    return f", for none of its {_counted(len(problems), 'rows')} can be trusted: {problems[0]}"
