"""What the commands write about the archive, for people and for programs."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rankspider.archive.comparison import Difference
from rankspider.archive.holdings import Holding
from rankspider.archive.reading import Archived
from rankspider.archive.replay import Replayed
from rankspider.moments import hour_text
from rankspider.report import json_object
from rankspider.terminal import harmless, table


def replayed_text(
    replayed: Replayed,
    compared: Mapping[str, Difference] | None,
    target: str,
    zone: dt.tzinfo,
) -> str:
    """Every line ended, times in ``zone``."""
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
        lines.append(f"judged otherwise than when they came: {replayed.judged_anew:,}")
    if not replayed.is_whole:
        lines.append("stopped before the end: run it again, or go on with --from")
    if compared is not None:
        lines += ["", *_differences(compared)]
    return "".join(f"{line}\n" for line in lines)


def _differences(compared: Mapping[str, Difference]) -> list[str]:
    heads = ("collection", " same", " seen later", " different", " only in the lake")
    rows = [
        (
            name,
            *(f"{count:,}" for count in (each.same, each.seen_later, each.different)),
            f"{each.only_in_lake:,}",
            f"{each.only_replayed:,}",
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


def holdings_text(holdings: Sequence[Holding], zone: dt.tzinfo) -> str:
    """By hour, and the sum of all."""
    if not holdings:
        return "The archive holds no such answer; the crawl keeps them with RANK_ARCHIVE=1\n"
    heads = ("hour", " answers", " MB as they came", " MB as kept", " bytes an answer")
    counts = [(each.answers, each.bytes, each.stored_bytes) for each in holdings]
    total = [sum(column) for column in zip(*counts, strict=True)]
    hours = [
        hour_text(each.begin_time, zone) if each.begin_time else "without a list"
        for each in holdings
    ]
    named = zip([*hours, "all"], [*counts, total], strict=True)
    rows = [
        (name, f"{answers:,}", f"{size / 1e6:,.1f}", f"{kept / 1e6:,.1f}", f"{kept // answers:,}")
        for name, (answers, size, kept) in named
    ]
    return "".join(f"{line}\n" for line in table(heads, rows))


def holdings_json(holdings: Sequence[Holding]) -> str:
    return json_object([asdict(each) for each in holdings])


def archived_json(archived: Archived) -> str:
    """With the body as text; bytes that are no UTF-8 are escaped."""
    body = archived.body.decode("utf-8", "backslashreplace")
    return json_object({**asdict(archived), "body": body})
