"""Format what ``scrapy replay`` writes, for people and for programs."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict

from rankspider.replay.comparison import Difference
from rankspider.replay.replay import Replayed
from rankspider.report import json_object
from rankspider.terminal import harmless, table


def replayed_text(
    replayed: Replayed,
    compared: Mapping[str, Difference] | None,
    target: str,
    zone: dt.tzinfo,
) -> str:
    """Return the report, every line ended, times in ``zone``."""
    lines = [f"{replayed.answers:,} answers replayed into {target}"]
    if replayed.last_observed_at is not None:
        last = replayed.last_observed_at.astimezone(zone)
        lines[0] += f", observed up to {last.isoformat(timespec='milliseconds')}"
    stored = ", ".join(f"{count:,} {kind}" for kind, count in sorted(replayed.stored.items()))
    lines.append(f"written: {stored}")
    if replayed.failures:
        named = ", ".join(f"{name} {count:,}" for name, count in sorted(replayed.failures.items()))
        lines.append(f"without a list: {named}")
    if replayed.judged_anew:
        lines.append(f"with another outcome than when they came: {replayed.judged_anew:,}")
    if not replayed.is_whole:
        lines.append("stopped before the end: run it again, or go on with --from")
    if compared is not None:
        lines += ["", *_differences(compared)]
    return "".join(f"{line}\n" for line in lines)


def _differences(compared: Mapping[str, Difference]) -> list[str]:
    heads = ("collection", " same", " seen later", " outdated", " different", " only in the lake")
    rows = [
        (
            name,
            *(f"{count:,}" for count in (each.same, each.seen_later, each.outdated)),
            *(f"{count:,}" for count in (each.different, each.only_in_lake, each.only_replayed)),
        )
        for name, each in compared.items()
    ]
    lines = table((*heads, " only replayed"), rows)
    for name, each in compared.items():
        for what, ids in (
            ("different", each.different_ids),
            ("only in the lake", each.only_in_lake_ids),
            ("only replayed", each.only_replayed_ids),
        ):
            lines += [harmless(f"{name}, {what}: {id_}") for id_ in ids]
    return lines


def replayed_json(
    replayed: Replayed, compared: Mapping[str, Difference] | None, target: str
) -> str:
    differences = {name: asdict(each) for name, each in (compared or {}).items()}
    return json_object({"into": target, **asdict(replayed), "compared": differences or None})
