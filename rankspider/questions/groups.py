"""What the commands share that take several anchors, and those that add up a period."""

import argparse
from pathlib import Path
from typing import Any, ClassVar

from scrapy.exceptions import UsageError

from rankspider.configuration import Configuration
from rankspider.errors import NotInTheLake
from rankspider.questions.command import Asking, QuestionCommand
from rankspider.questions.people import Person, anchors_named
from rankspider.terminal import shortened
from rankspider.watch.watch_list import labelled


class PeriodCommand(QuestionCommand):
    """Rests on how the hours of a period ended."""

    default_hours = 24
    rests_on_ends = True

    def add_question(self, group: Any) -> None:
        for option, hours in (("--day", 24), ("--week", 7 * 24), ("--month", 30 * 24)):
            group.add_argument(
                option, dest="hours", action="store_const", const=hours, help=f"--hours {hours}"
            )


class GroupCommand(QuestionCommand):
    """Takes anchors as arguments, with ``--file`` from a file, one a line, and, where any number
    may be named, with ``--label`` from the watch list."""

    least: ClassVar[int] = 1
    most: ClassVar[int | None] = None

    def syntax(self) -> str:
        return (
            "ANCHOR ANCHOR [options]"
            if self.most
            else "[ANCHOR …] [--file F] [--label L] [options]"
        )

    def add_question(self, group: Any) -> None:
        super().add_question(group)
        group.add_argument(
            "--file", metavar="F", help="also the anchors in F, one a line (# begins a remark)"
        )
        if not self.most:
            group.add_argument(
                "--label", metavar="L", help="also the watched anchors that have this label"
            )

    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        opts.anchors = [*args, *(_in_file(opts.file) if opts.file else ())]
        count = len(opts.anchors)
        is_labelled = getattr(opts, "label", None) is not None
        if (count < self.least and not is_labelled) or (self.most and count > self.most):
            how_many = "two anchors" if self.most else "one anchor or more"
            raise UsageError(
                f"name {how_many}, as arguments or in --file: by user_id, sec_id, profile link, "
                "display_id, short_id or (part of) the nickname, in quotes if it has blanks"
            )
        return super().execute([], opts)

    def people(self, asking: Asking) -> list[Person]:
        """Return the anchors that were named, each once. Raises `NotInTheLake` or
        `SeveralAnchors`."""
        named = [asking.anchor(text) for text in asking.options.anchors]
        if getattr(asking.options, "label", None) is not None:
            named += self._labelled(asking)
        return list({person.user_id: person for person in named}.values())

    def _labelled(self, asking: Asking) -> list[Person]:
        """Return the watched anchors that have ``--label``. How many of them the lake does not hold
        yet is a remark. Raises `NotInTheLake` if it holds none."""
        label, queue = asking.options.label, Configuration.read(self.project_settings).queue_key
        about = f"of the watched anchors with the label {shortened(label, 40)!r}"
        sec_uids = labelled(asking.database, queue, label)
        found = [
            each for sec_uid in sec_uids for each in anchors_named(asking.database, sec_uid, most=1)
        ]
        if not found:
            raise NotInTheLake(
                f"none {about} is in the lake: there are {len(sec_uids)} on the watch list of "
                f"{queue} ('scrapy watch list --label L' shows them)"
            )
        if missing := len(sec_uids) - len(found):
            asking.remarks.append(f"{missing} {about} have not been seen in any answer yet.")
        return found


def _in_file(path: str) -> list[str]:
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--file {path} cannot be read as UTF-8 text: {error}") from None
    stripped = (line.strip() for line in lines)
    return [line for line in stripped if line and not line.startswith("#")]
