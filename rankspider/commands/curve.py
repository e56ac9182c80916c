"""``scrapy curve``: how one anchor fared within an hour."""

from rankspider.errors import NotInTheLake
from rankspider.moments import clock_text, hour_text
from rankspider.questions.command import Asking, QuestionCommand
from rankspider.questions.curve import Point, curve, overall_speed
from rankspider.questions.states import state_at
from rankspider.report import Report


class Command(QuestionCommand):
    name = "curve"
    names_an_anchor = True
    summary = "Show an anchor's places, points and speed within an hour"
    description = (
        "Show each standing of ANCHOR within an hour: from when until when it was seen, place (0: "
        "not listed), points, points behind the next better place, and points a minute since the "
        "standing before. ANCHOR is a user_id, a sec_id, a profile link, a display_id, a short_id, "
        "or (part of) a nickname. Example: 'scrapy curve MS4wLjABAAAA... --hour 2030-01-31T19:00'."
    )

    def answer(self, asking: Asking) -> Report:
        anchor = asking.anchor()
        name, hour = asking.list_and_hour()
        points = curve(asking.database, name, hour, anchor.user_id)
        when = f"hour of {hour_text(hour, asking.zone)}"
        if not points:
            raise NotInTheLake(
                f"{anchor.label} was not seen in {name}, {when}: give another --hour"
            )
        notes = []
        speed = overall_speed(points)
        if speed is not None:
            notes.append(f"{speed:,.1f} points a minute from the first of these to the last.")
        last = state_at(asking.database, name, hour)
        if points[-1].place and last and anchor.user_id not in last.places:
            gone = clock_text(last.seen_at, asking.zone)
            notes.append(f"Not on the list any more when it was seen last, at {gone}.")
        return Report(head=f"{anchor.label} in {name}, {when}", row=Point, rows=points, notes=notes)
