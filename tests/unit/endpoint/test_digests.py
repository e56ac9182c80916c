"""What a lake knows a record by does not change with a release: else all is stored once more."""

import json

from rankspider.endpoint.answer import decode
from rankspider.endpoint.extraction import Extraction
from rankspider.items import RankItem, RejectedItem, UserItem
from tests.support.sample_answer import Change, sample


def digests(change: Change) -> list[str]:
    answer = sample()
    change(answer)
    items = Extraction(decode(json.dumps(answer).encode()), None, keep_private=False)
    return [item.digest for item in items if isinstance(item, UserItem | RankItem | RejectedItem)]


def test_of_what_the_sample_says() -> None:
    assert digests(lambda _: None) == [
        "d5d32bf83d60e83982d1f20e4bd88ab6",
        "72c39c78eaca975e77bcf47e78e8867e",
        "5bf21b2283a173ab3995953d77c67b59",
        "bc37b42f4b2767b8298c2b858192ae90",
        "db4c62264d715e887b996561308c9f65",
        "8fe9fd71c64ca9d486a6adef75fedb6d",
    ]


def test_of_what_is_rejected() -> None:
    assert digests(lambda answer: answer["data"].update(begin_time=1611054001)) == [
        "d9fabf414e61e2d22a01b9d75271bdb0",
        "d7c2ca817171226f62a2b274bbcb4b7f",
        "78955de5911fc73aaa16c3b4bda7cee0",
        "8b9f954eb46944847ab09cab3b465da4",
    ]
