"""Bytes that nobody thought of, by a coverage-guided fuzzer: ``make fuzz SECONDS=60``.

No test that pytest collects. Whatever the bytes, they end in an answer or in one `AnswerError`;
what an answer says can be written or is rejected record by record; a reader that knows the list
already reads the same as one that doesn't; and a sound answer, rewritten in any way that keeps its
facts, is no other to a reader and leaves the same items. More than 5 s or 1 GB is a failure. What
fails is left in ``crash-…`` (``timeout-…``, ``oom-…``) in this folder, to be run again by its name:
``python -m tests.fuzz_answer crash-…``.
"""

import json
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["rankspider"]):
    from rankspider.dedupe.reading import AnswerReader
    from rankspider.endpoint.answer import Answer, decode
    from rankspider.endpoint.body import UNREADABLE
    from rankspider.endpoint.extraction import Extraction
    from rankspider.endpoint.failure import AnswerError, Failure
    from rankspider.endpoint.mirrors import ListText
    from rankspider.endpoint.validation import problem_of, rejected
    from rankspider.items import RejectedItem
    from rankspider.lake.documents import writes_of
    from rankspider.simulator.replies import REPLIES

import bson

from tests.support.rewriting import rewritten

_SAMPLE = Path(__file__).parent / "data" / "rank_goods_sample.json"
_LARGEST = 200_000
_ODD: list[Any] = [
    *(None, True, 0, -1, 1, 2**53 + 1, 2**63, 2**64, -(2**63), 10**400, 0.5, 1e308, -0.0),
    *("", "0", "\0", "é", "😀", "\ud800", "1" * 30, "MS4wLjABAAAA", "$where", "a.b"),
    *([], {}, [[]], [{}], {"0": []}, {"": None}, {"url_list": ["]"]}),
]
# What JSON writers other than Python's leave, and what stands between values.
_CRUMBS = [b'"', b"\\", b"\\u0000", b"\\ud800", b"\xff", b"[", b"]", b"{", b"}", b":", b",", b" "]
_CRUMBS += [
    b'"ranks":',
    b'"ranks" : ',
    b'"url_list":[',
    b'"url_list": [',
    b'"anchor_info":',
    b'"status_code":0',
    b"null",
    b"9" * 400,
]


def compact(value: object) -> bytes:
    # Half a surrogate pair stays an escape, as some servers send it.
    return json.dumps(value, separators=(",", ":")).encode()


def spaced(value: object) -> bytes:
    return json.dumps(value).encode()


def pretty(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()


_STYLES = (compact, spaced, pretty)
_SOUND = json.loads(_SAMPLE.read_bytes())
_PLAIN = compact(_SOUND)
_KNOWN = tuple(decode(style(json.loads(_SAMPLE.read_bytes()))).listed for style in _STYLES)


def examine(body: bytes) -> None:
    """What must hold of any ``body``; an exception is a finding."""
    examine_rewriting(body)
    fresh, again = _read(body, ()), _read(body, _KNOWN)
    if isinstance(fresh, Answer) and isinstance(again, Answer):
        if again.body.known is None:
            assert _said(fresh) == _said(again)
        elif fresh.listed == again.listed:
            assert _said(fresh)[1:] == _said(again)[1:]
        for item in Extraction(fresh, None, keep_private=False):
            _store(item)
    elif not isinstance(again, Answer) or again.body.known is None:
        # In a list that is known the addresses of pictures are not looked at.
        assert _kind(fresh) == _kind(again), (fresh, again)


def examine_rewriting(seed: bytes) -> None:
    """Of the sample, as ``seed`` chooses it."""
    body = rewritten(_SOUND, random.Random(seed))
    reader = AnswerReader(keep_private=False)
    reads = [reader.read(decode(each, known=reader.list_texts), None) for each in (_PLAIN, body)]
    assert reads[0].whole.version == reads[1].whole.version, body
    assert reads[0].own_versions == reads[1].own_versions, body
    items = [Extraction(decode(each), None, keep_private=False) for each in (_PLAIN, body)]
    assert [item.digest for item in items[0]] == [item.digest for item in items[1]], body


def _read(body: bytes, known: tuple[ListText, ...]) -> Answer | Failure:
    try:
        return decode(body, known=known)
    except AnswerError as error:
        return error.failure


def _kind(read: Answer | Failure) -> Any:
    """But for the message, which may tell a place in the body, or in what is left of it."""
    return read if isinstance(read, Answer) else (read.verdict, read.name)


def _said(answer: Answer) -> tuple[Any, ...]:
    own = answer.anchor_info
    try:
        others: Any = answer.other_fields()
    except UNREADABLE as error:
        others = str(error)
    frame = (answer.identity, answer.begin_time, answer.now_ms, answer.delta_time)
    return answer.rows, own, repr(others), frame


def _store(item: Any) -> None:
    """As the pipelines do, up to MongoDB."""
    if not isinstance(item, RejectedItem) and (reason := problem_of(item)) is not None:
        item = rejected(item, reason)
    for write in writes_of(item):
        try:
            bson.encode(write.content or {})
        except (bson.errors.BSONError, OverflowError, UnicodeError):
            # What the writer refuses is kept as a rejected record, which must always be possible.
            assert not isinstance(item, RejectedItem)
            _store(rejected(item, "MongoDB refused it"))


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Some changes, of what libFuzzer kept or, as often, of an answer as it comes: what it keeps
    soon is short, and far from any answer."""
    dice = random.Random(seed)
    if dice.random() < 0.5:
        data = dice.choice(_BODIES)
    for _ in range(dice.choice((1, 1, 2, 4))):
        data = dice.choice((_value_replaced, _value_replaced, _crumbled, _by_libfuzzer))(data, dice)
    return data[:max_size]


def _value_replaced(data: bytes, dice: random.Random) -> bytes:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return _crumbled(data, dice)
    places = list(_places(value))
    if places:
        _replace(*dice.choice(places), dice)
    return dice.choice(_STYLES)(value)


def _crumbled(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data) + 1)
    crumb = dice.choice(_CRUMBS) * dice.choice((1, 1, 1, 2, 500))
    return data[:at] + crumb + data[at + dice.randrange(9) :]


def _by_libfuzzer(data: bytes, dice: random.Random) -> bytes:
    mutated: bytes = atheris.Mutate(data, _LARGEST)
    return mutated


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        keys: Any = ()
        if isinstance(holder, dict):
            keys = list(holder)
        elif isinstance(holder, list):
            keys = range(len(holder))
        for key in keys:
            yield holder, key
            waiting.append(holder[key])


def _replace(holder: Any, key: Any, dice: random.Random) -> None:
    what = dice.randrange(5)
    if what == 0 and isinstance(holder, dict):
        del holder[key]
    elif what == 1 and isinstance(holder, dict):
        holder[dice.choice(("$a", "a.b", "", "\0", "url_list", "ranks", "x" * 300))] = holder[key]
    elif what == 2 and isinstance(holder, list):
        holder.append(holder[key])
    elif what == 3:
        holder[key] = dice.choice((lambda value: [value], lambda value: {"0": value}))(holder[key])
    else:
        holder[key] = dice.choice(_ODD)


def _bodies() -> list[bytes]:
    sample = json.loads(_SAMPLE.read_bytes())
    data = sample["data"]
    again = {**sample, "data": {"ranks": [], **data, "copy": {"ranks": data["ranks"]}}}
    first = {**sample, "data": {"anchor_info": data["anchor_info"], **data}}
    alone = {**sample, "data": {**data, "anchor_info": None}}
    wrapped = {"code": 200, "msg": "", "data": sample}
    bodies = [compact(each) for each in (sample, wrapped, again, first, alone)]
    bodies += [style(each) for style in (spaced, pretty) for each in (wrapped, first)]
    # Of two equal keys the last one counts.
    twice = bodies[0].replace(b'"ranks":', b'"ranks":[],"ranks":', 1)
    return [*bodies, twice, bodies[0].replace(b',"extra"', b',"data":{"ranks":[]},"extra"', 1)]


_BODIES = _bodies()


def _corpus(folder: Path) -> None:
    bodies = _BODIES + [each.body for each in REPLIES.values() if len(each.body) < _LARGEST]
    for number, body in enumerate(bodies):
        (folder / str(number)).write_bytes(body)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        _corpus(Path(name))
        bounds = [f"-max_len={_LARGEST}", "-timeout=5", "-rss_limit_mb=1024"]
        arguments = sys.argv[1:] or ["-max_total_time=60"]
        again = any(not argument.startswith("-") for argument in arguments)
        folders = [] if again else [name]
        atheris.Setup([sys.argv[0], *bounds, *arguments, *folders], examine, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
