"""What the commands share that take several anchors, and those that add up a period."""

import argparse
from pathlib import Path
from typing import Any, ClassVar

from scrapy.exceptions import UsageError

from rankspider.questions.command import Asking, QuestionCommand
from rankspider.questions.people import Person, the_anchor


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
    """Takes anchors as arguments, and with ``--file`` from a file, one a line."""

    least: ClassVar[int] = 1
    most: ClassVar[int | None] = None

    def syntax(self) -> str:
        return "ANCHOR ANCHOR [options]" if self.most else "[ANCHOR …] [--file F] [options]"

    def add_question(self, group: Any) -> None:
        super().add_question(group)
        group.add_argument(
            "--file", metavar="F", help="also the anchors in F, one a line (# begins a remark)"
        )

    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        opts.anchors = [*args, *(_in_file(opts.file) if opts.file else ())]
        count = len(opts.anchors)
        if count < self.least or (self.most and count > self.most):
            how_many = "two anchors" if self.most else "one anchor or more"
            raise UsageError(
                f"name {how_many}, as arguments or in --file: by user_id, sec_id, profile link, "
                "display_id, short_id or (part of) the nickname, in quotes if it has blanks"
            )
        return super().execute([], opts)

    def people(self, asking: Asking) -> list[Person]:
        """Return the anchors that were named, each once. Raises `NotInTheLake` or
        `SeveralAnchors`."""
        named = [the_anchor(asking.database, text) for text in asking.options.anchors]
        return list({person.user_id: person for person in named}.values())


def _in_file(path: str) -> list[str]:
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--file {path} cannot be read as UTF-8 text: {error}") from None
    stripped = (line.strip() for line in lines)
    return [line for line in stripped if line and not line.startswith("#")]
