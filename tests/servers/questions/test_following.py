"""Events as they become known: none is lost and none is told twice, however late it is stored."""

import datetime as dt
import random
from collections import Counter
from typing import Any

import pytest

from rankspider.items import ListItem
from rankspider.moments import HOUR as ONE
from rankspider.questions.events import Event, events
from rankspider.questions.following import HOURS_BACK, Following
from rankspider.questions.lists import ListName
from tests.support.stored_lists import HOUR, ID, list_of, store

NAME = ListName("热度", "全站", "小时榜", "")
RENAMED = ListName("人气", "全站", "小时榜", "")


def seen(
    hour: dt.datetime, minute: float, *order: int, currency: str = "热度", points: int = 0
) -> ListItem:
    """A list with these sellers, the best first."""
    there = list_of(hour, currency=currency)
    at = hour + dt.timedelta(minutes=minute)
    scores = [points + 100 - place for place in range(len(order))]
    return ListItem(there, [str(ID + number) for number in order], scores, 60, {}, at)


def kinds(found: list[Event]) -> Counter[Any]:
    return Counter((each.event, each.user_id, each.other_user_id) for each in found)


@pytest.mark.parametrize("seed", range(3))
def test_in_any_order_of_storing(database: Any, seed: int) -> None:
    """Each look finds some answers more, from whatever time; in the end all is told, once."""
    choose = random.Random(seed)
    answers = [
        seen(HOUR + hour * ONE, minute, *choose.sample(range(1, 5), choose.randrange(2, 5)))
        for hour in (0, 1)
        for minute in (1, 10, 20, 30, 40, 50)
    ]
    now = HOUR + 2 * ONE
    following = Following(database, NAME, HOUR, first=3)
    told: list[Event] = []
    for answer in choose.sample(answers, len(answers)):
        store(database, answer)
        told += following.news(now)
    assert following.news(now) == []
    true = events(database, NAME, HOUR, now, first=3)
    # What is seen later may show that something happened twice more in between: never less.
    assert kinds(true) - kinds(told) == Counter()
    assert len({(*kind, each.seen_at) for each in told for kind in kinds([each])}) == len(told)


def test_what_was_told_is_seen_to_have_been_earlier(database: Any) -> None:
    now = HOUR + ONE
    following = Following(database, NAME, HOUR, first=2)
    store(database, seen(HOUR, 1, 1, 2, 3), seen(HOUR, 30, 1, 3))
    assert [each.event for each in following.news(now)] == ["entered", "left"]
    store(database, seen(HOUR, 20, 1, 3, 2))
    assert [each.event for each in following.news(now)] == ["passed"]
    store(database, seen(HOUR, 40, 1, 2, 3))
    assert [each.event for each in following.news(now)] == ["entered", "left"]
    # And once more in between, of which nothing was known.
    store(database, seen(HOUR, 24, 1, 2, 3), seen(HOUR, 25, 1, 3, 2))
    assert kinds(following.news(now)).total() == 6
    assert following.news(now) == []


def test_hours_are_forgotten_in_time(database: Any) -> None:
    """A month's run holds a day of it, and what is stored within a day is told."""
    following = Following(database, NAME, HOUR, first=2)
    store(database, seen(HOUR, 1, 1, 2), seen(HOUR, 10, 2, 1))
    assert [each.event for each in following.news(HOUR + ONE)] == ["passed"]
    hours = (HOURS_BACK - 2) * ONE
    store(database, seen(HOUR, 20, 1, 2))
    late = [each.event for _ in range(HOURS_BACK) for each in following.news(HOUR + hours)]
    assert late == ["passed"]
    for day in range(1, 4):
        for _ in range(HOURS_BACK):
            assert following.news(HOUR + day * 24 * ONE) == []
        assert len(following._hours) <= HOURS_BACK + 1
    store(database, seen(HOUR, 30, 2, 1))
    assert following.news(HOUR + 3 * 24 * ONE) == []


def test_a_list_that_changes_its_name_is_followed(database: Any) -> None:
    following = Following(database, NAME, HOUR, first=2)
    store(database, seen(HOUR, 1, 1, 2), seen(HOUR, 10, 2, 1))
    there = HOUR + ONE
    store(
        database,
        *(
            seen(there, minute, *order, currency="人气")
            for minute, order in ((1, (1, 2)), (10, (2, 1)))
        ),
    )
    found = following.news(HOUR + 2 * ONE)
    assert [(each.event, each.list) for each in found] == [
        ("passed", str(NAME)),
        ("passed", str(RENAMED)),
    ]


@pytest.mark.parametrize("seed", range(4))
def test_who_goes_on_from_the_last_line_misses_nothing(database: Any, seed: int) -> None:
    choose = random.Random(seed)
    for minute in range(1, 40, 4):
        store(database, seen(HOUR, minute, *choose.sample(range(1, 5), 4)))
    every = Following(database, NAME, HOUR, first=2).news(HOUR + ONE)
    end = choose.choice(every).seen_at
    before = [each for each in every if each.seen_at <= end]
    rest = Following(database, NAME, end, first=2).news(HOUR + ONE)
    assert [*before, *(each for each in rest if each.seen_at > end)] == every
    assert [each for each in rest if each.seen_at == end] == [
        each for each in before if each.seen_at == end
    ]
