"""``python -m tests.truth``: lives of any length, compared with the truth."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rankspider.embedded import embedded_servers
from tests.truth import dress
from tests.truth.lake import COLLECTIONS
from tests.truth.life import Outcome, Plan, Stage, live


def main() -> int:
    options = _options()
    differing = 0
    with _stage(options.keep) as stage:
        for plan in _plans(options):
            outcome = live(plan, stage)
            differing += bool(outcome.differences)
            _say(plan, outcome)
    _write(f"{differing} of {options.orders} lives differ from the truth")
    return 1 if differing else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.truth", description=__doc__)
    add = parser.add_argument
    add("--answers", type=int, default=2000, help="anchors pushed in each life (%(default)s)")
    add("--orders", type=int, default=6, help="lives, each in another order (%(default)s)")
    add("--workers", type=_range, default=(1, 5), help="N, or N-M: more from life to life (1-5)")
    add("--kills", type=int, default=0, help="SIGKILLs in each life (%(default)s)")
    add("--stops", type=int, default=0, help="SIGINTs under a backlog (%(default)s)")
    add("--losses", type=int, default=0, help="how often what the fleet remembers is deleted")
    add("--failing", type=float, default=0.0, help="share of calls that bring no list")
    add("--refused", action="store_true", help="a licence that is refused beside the good ones")
    add("--displaced", type=float, default=0.5, help="share of answers held back (%(default)s)")
    add("--style", default="compact", choices=[*dress.STYLES, dress.MIXED])
    add("--same-ms", action="store_true", help="some answers share a millisecond")
    add("--hours", type=float, default=4.2, help="of the market's clock (%(default)s)")
    add("--sellers", type=int, default=200, help="(%(default)s)")
    add("--rows", type=int, default=25, help="of the list, at most (%(default)s)")
    add("--moments", type=int, default=0, help="boards to ask for in each life (0: at every one)")
    add("--commands", type=int, default=3, help="boards by the command (%(default)s)")
    add("--seed", type=int, default=1, help="of the market and the first order (%(default)s)")
    add("--collections", default=",".join(COLLECTIONS), help="only these")
    add("--keep", type=Path, help="a folder for the logs")
    return parser.parse_args()


def _range(text: str) -> tuple[int, int]:
    least, _, most = text.partition("-")
    return int(least), int(most or least)


def _plans(options: argparse.Namespace) -> Iterator[Plan]:
    least, most = options.workers
    for number in range(options.orders):
        yield Plan(
            answers=options.answers,
            workers=least + number % (most - least + 1),
            seed=options.seed,
            order=options.seed + number,
            hours=options.hours,
            sellers=options.sellers,
            rows=options.rows,
            style=options.style,
            displaced=options.displaced,
            failing=options.failing,
            has_refused_licence=options.refused,
            kills=options.kills,
            stops=options.stops,
            losses=options.losses,
            shares_milliseconds=options.same_ms,
            moments=options.moments,
            commands=options.commands,
            collections=tuple(options.collections.split(",")),
        )


@contextmanager
def _stage(keep: Path | None) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="truth-") as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        with embedded_servers(Path(temporary), redis=True, mongo=True) as servers:
            assert servers.redis_url is not None
            assert servers.mongo_uri is not None
            yield Stage(servers.redis_url, servers.mongo_uri, folder)


def _say(plan: Plan, outcome: Outcome) -> None:
    figures = ", ".join(f"{name} {value}" for name, value in outcome.figures.items())
    _write(f"order {plan.order}, {plan.workers} workers: {figures}")
    if outcome.differences:
        _write(f"{outcome.differences}")


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
