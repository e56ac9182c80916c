"""Events as they become known, each once: also what is stored long after it was seen."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pymongo.database import Database

from rankspider.lake.collections import Document
from rankspider.moments import END_OF_TIME, HOUR, Period, hour_of
from rankspider.questions.before import Before
from rankspider.questions.events import Event, EventsSeen, events_of_hour, in_order, named
from rankspider.questions.lists import ListName
from rankspider.questions.which import chosen, lists_of

HOURS_BACK = 24
"""What is stored later than so many hours after it was seen is not told."""
_RECENT = 3
"""So many hours are read at each look, the next one included, and one of the others: an endpoint's
clock may be ahead of this one's."""
_LONG_AGO = dt.datetime.min.replace(tzinfo=dt.UTC)


_Kind = tuple[object, ...]
_Span = tuple[dt.datetime, dt.datetime]
"""Between which two moments something happened: after the one, until the other."""
_EVER: _Span = (_LONG_AGO, END_OF_TIME)


@dataclass(slots=True)
class _Hour:
    """What is known of it, and what has been told."""

    known: EventsSeen = field(default_factory=EventsSeen)
    reported: dict[_Kind, list[_Span]] = field(default_factory=dict)

    def unreported(self, events: Iterable[Event]) -> Iterator[Event]:
        """Those of its ``events`` that are to be told, which are told from now on.

        What is stored late may show that something had happened earlier than was told; but no
        earlier than it could have by then.
        """
        kinds: dict[_Kind, list[Event]] = defaultdict(list)
        for event in events:
            kinds[_kind(event)].append(event)
        for kind, found in kinds.items():
            reported = self.reported.setdefault(kind, [])
            as_reported = {each.seen_at for each in found} & {until for _, until in reported}
            free = [span for span in reported if span[1] not in as_reported]
            for event in found:
                if event.seen_at in as_reported:
                    continue
                span = next((each for each in free if each[0] < event.seen_at <= each[1]), None)
                if span:
                    free.remove(span)
                else:
                    reported.append(_EVER if kind[-1] else (event.not_before, event.seen_at))
                    yield event


def _kind(event: Event) -> _Kind:
    """Return what tells the event from others that may happen in an hour; a record, told by what it
    came to, is broken once."""
    value = {"best place": event.place, "most points": event.score}.get(event.event)
    return event.event, event.user_id, event.other_user_id, value


class Following:
    """The events of the list ``name`` that were first seen from ``since`` on.

    An hour that has no such list is told of by the one that is meant there, as after a list was
    renamed. Holds what it told of the last `HOURS_BACK` hours.
    """

    def __init__(
        self,
        database: Database[Document],
        name: ListName,
        since: dt.datetime,
        *,
        first: int = 10,
        currency: str | None = None,
        title: str | None = None,
    ) -> None:
        self._database = database
        self._name = name
        self._named = {"currency": currency, "title": title}
        self._since = since
        self._first = first
        self._hours: dict[dt.datetime, _Hour] = {}
        self._turn = 0

    def news(self, now: dt.datetime) -> list[Event]:
        """Return what was not told yet, in the order it was seen. If it raises, nothing was
        told."""
        due = self._due(now)
        before = {self._name: Before(self._database, self._name, due[-1])}
        found = [
            each
            for hour in due
            for each in self._events(hour, self._hours.setdefault(hour, _Hour()), before)
            if each.seen_at >= self._since
        ]
        by_hour: dict[dt.datetime, list[Event]] = defaultdict(list)
        for event in named(self._database, found):
            by_hour[event.hour].append(event)
        return in_order(
            new for hour in by_hour for new in self._hours[hour].unreported(by_hour[hour])
        )

    def _due(self, now: dt.datetime) -> list[dt.datetime]:
        """Return the hours to look at: all at first, then the newest, and of the others each in
        turn."""
        end = hour_of(now) + 2 * HOUR
        start = hour_of(self._since)
        if self._hours:
            start = max(start, end - HOURS_BACK * HOUR)
        hours = list(Period(start, end))
        recent = hours[-_RECENT:]
        for hour in list(self._hours):
            if hour < start:
                del self._hours[hour]
            elif hour not in recent:
                self._hours[hour].known = EventsSeen()
        older = [each for each in hours if each not in recent]
        if not self._hours or not older:
            return hours
        self._turn += 1
        return [older[self._turn % len(older)], *recent]

    def _events(
        self, hour: dt.datetime, state: _Hour, before: dict[ListName, Before]
    ) -> list[Event]:
        name = self._name
        if name not in lists_of(self._database, hour):
            other = chosen(self._database, [hour], **self._named)
            name = other[0] if other else name
        of_list = before.setdefault(name, Before(self._database, name, before[self._name].end))
        return events_of_hour(of_list, hour, self._first, state.known)
