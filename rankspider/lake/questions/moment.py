"""The list as it stood at any moment, rebuilt from what was stored."""

import datetime as dt
from typing import Any

from pymongo.database import Database

from rankspider.items import RankedList, joined
from rankspider.lake import collections
from rankspider.lake.board import Board, Place, is_over, others_of, seconds_before_close
from rankspider.lake.lists import lists_seen_by, preferred
from rankspider.lake.people import nicknames
from rankspider.lake.questions.states import State, state_at
from rankspider.moments import HOUR, hour_of

_Document = dict[str, Any]


def board_at(
    database: Database[_Document],
    moment: dt.datetime,
    *,
    currency: str | None = None,
    title: str | None = None,
    now: dt.datetime | None = None,
) -> Board | None:
    """The list as it was known at ``moment``; None if the lake has none of that hour or the one
    before, which is still the newest until the first answer of an hour.

    Of several lists it is chosen as `board` does, among those that had been seen by then. Its own
    standings are those of no anchor. Rebuilt from `snapshots`, see
    `rankspider.lake.questions.states`; tags are those of the hour's newest standing, and `delta`
    follows from the points.
    """
    now = now or dt.datetime.now(dt.UTC)
    for hour in (hour_of(moment), hour_of(moment) - HOUR):
        lists = lists_seen_by(database, hour, moment)
        named = {name: at for name, at in lists.items() if name.fits(currency, title)}
        state = state_at(database, preferred(named), hour, moment) if named else None
        if state is not None:
            return Board(
                **state.name._asdict(),
                region_name=state.region_name,
                begin_time=hour,
                observed_at=state.seen_at,
                seconds_before_close=seconds_before_close(hour, state.seen_at),
                is_final=moment >= hour + HOUR and is_over(database, hour, now),
                rows=_places_of(database, state),
                own=[],
                own_count=0,
                other_lists=others_of(lists, state.name),
            )
    return None


def _places_of(database: Database[_Document], state: State) -> list[Place]:
    ranked_list = RankedList(*state.name, state.region_name, state.hour)
    keys = [f"{ranked_list.key}/{joined(user_id)}" for user_id in state.user_ids]
    found = database[collections.RANKS].find(
        {"_id": {"$in": keys}}, ["user_id", "sec_uid", "shop_tags"]
    )
    standings = {standing["user_id"]: standing for standing in found}
    names = nicknames(database, state.user_ids)
    rows = zip(state.user_ids, state.scores, state.deltas, strict=True)
    return [
        Place(
            place=place,
            user_id=user_id,
            # A list may be there before the standings of it are: they are written side by side.
            sec_uid=standings[user_id]["sec_uid"] if user_id in standings else "",
            nickname=names.get(user_id, ""),
            score=score,
            delta=delta,
            gap_description="",
            tags=(standings[user_id]["shop_tags"] or []) if user_id in standings else [],
            observed_at=state.seen_at,
        )
        for place, (user_id, score, delta) in enumerate(rows, 1)
    ]
