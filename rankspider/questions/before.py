"""What had been seen of sellers before: their best hours, and the rooms of an hour."""

import datetime as dt
from collections.abc import Iterator

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.moments import HOUR
from rankspider.questions.lists import ListName
from rankspider.questions.sessions import WITHIN_HOUR

_BEGINNING = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_OF_ROOM = ("user_id", "rank", "score", "listed", "first_observed_at")
_BEST = ("begin_time", "best_rank", "peak_score", "observed_at")


class Before:
    """What one list had in the hours before ``end``, each part of it read once.

    What was seen after the close of an hour counts for none.
    """

    def __init__(self, database: Database[Document], name: ListName, end: dt.datetime) -> None:
        self.database = database
        self.name = name
        self.end = end
        self._bests: dict[str, list[tuple[dt.datetime, int, int]]] = {}
        self._rooms: dict[dt.datetime, dict[tuple[str, str], Document]] = {}

    def best(self, hour: dt.datetime, user_id: str) -> tuple[int, int]:
        """Return best place and most points before ``hour``; 0 if the seller was never listed
        before, and so has no record to break. On ``user_hour``::

            db.ranks.aggregate([
              {$match: {user_id: …, begin_time: {$gt: …, $lt: …}}},
              {$match: {"list.currency": …, …}},
              {$project: {begin_time: 1, best_rank: 1, peak_score: 1, observed_at: 1}}])

        Where those were seen after the close as well, `rank_history` has what was seen before, on
        ``user_hour_time``.
        """
        if user_id not in self._bests:
            self._bests[user_id] = list(self._of_hours(user_id))
        found = [each for each in self._bests[user_id] if each[0] < hour]
        places = [place for _, place, _ in found if place]
        return (min(places), max(points for *_, points in found)) if places else (0, 0)

    def rooms(self, hour: dt.datetime) -> dict[tuple[str, str], Document]:
        """Return the first standing of ``hour`` in each room that began in it or in the hour
        before, by seller and room. On ``hour_time``::

            db.rank_history.aggregate([
              {$match: {begin_time: …, first_observed_at: {$gte: …, $lt: …}}},
              {$match: {room_id: {$gte: …}}},
              {$match: {"list.currency": …, …}},
              {$sort: {first_observed_at: 1}},
              {$group: {_id: {user_id: "$user_id", room_id: "$room_id"}, rank: {$first: "$rank"},
                        …}}])
        """
        if hour not in self._rooms:
            # Their numbers have as many digits as the Unix time has, and more.
            least = str(int((hour - HOUR).timestamp()) << 32)
            within = {"$gte": hour, "$lt": hour + HOUR}
            room = {part: f"${part}" for part in ("user_id", "room_id")}
            pipeline: list[Document] = [
                {"$match": {"begin_time": hour, "first_observed_at": within}},
                {"$match": {"room_id": {"$gte": least}}},
                self.name.stage,
                {"$sort": {"first_observed_at": 1}},
                {"$group": {"_id": room, **{part: {"$first": f"${part}"} for part in _OF_ROOM}}},
            ]
            with self.database[collections.RANK_HISTORY].aggregate(pipeline) as found:
                rooms = {(each["user_id"], each["_id"]["room_id"]): each for each in found}
            self._rooms[hour] = rooms
        return self._rooms[hour]

    def _of_hours(self, user_id: str) -> Iterator[tuple[dt.datetime, int, int]]:
        pipeline: list[Document] = [
            {"$match": {"user_id": user_id, "begin_time": {"$gt": _BEGINNING, "$lt": self.end}}},
            self.name.stage,
            {"$project": dict.fromkeys(_BEST, 1)},
        ]
        late = []
        with self.database[collections.RANKS].aggregate(pipeline) as found:
            for each in found:
                if each["observed_at"] < each["begin_time"] + HOUR:
                    yield each["begin_time"], each["best_rank"], each["peak_score"]
                else:  # a stale cache may have shown something better after the close
                    late.append(each["begin_time"])
        for hour in late:
            pipeline = [
                {"$match": {"user_id": user_id, "begin_time": hour}},
                self.name.stage,
                {"$match": WITHIN_HOUR},
                {"$project": dict.fromkeys(_OF_ROOM, 1)},
            ]
            with self.database[collections.RANK_HISTORY].aggregate(pipeline) as found:
                for each in found:
                    yield hour, each["rank"] if each["listed"] else 0, each["score"]
