"""Downloads the same answers and looks at none of them."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlencode

from scrapy import Request, Spider
from scrapy.http import Response

PATH = "/douyin/webcast/rank_goods"


class EmptySpider(Spider):
    """``-a anchors=FILE``: one ``sec_uid`` a line."""

    name = "empty"
    anchors: str

    async def start(self) -> AsyncIterator[Request]:
        for url in self._urls():
            yield Request(url, callback=self.parse, dont_filter=True)

    def _urls(self) -> Iterator[str]:
        address = os.environ["RANK_API_URL"] + PATH
        for sec_uid in Path(self.anchors).read_text().split():
            query = {"token": os.environ["RANK_API_TOKENS"], "sec_anchor_id": sec_uid}
            yield f"{address}?{urlencode(query)}"

    def parse(self, response: Response) -> None:
        pass
