"""``scrapy simulate`` as a process."""

import json
import subprocess
import time
import urllib.request
from typing import Any


class Simulator:
    """A ``scrapy simulate`` process and where it listens."""

    def __init__(self, process: "subprocess.Popen[str]", url: str) -> None:
        self.process = process
        self.url = url

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path) as answer:
            return json.load(answer)

    def answers(self) -> int:
        return int(self.get("/_simulator/stats")["answers"])

    def calls(self) -> int:
        """Those that it has not answered yet included."""
        return sum(self.get("/_simulator/stats")["tokens"].values())

    def stood_still(self, seconds: float = 1.5) -> bool:
        """Whether it was asked at all, and for so long no more."""
        before = self.answers()
        time.sleep(seconds)
        return 0 < before == self.answers()

    def configure(self, **changes: Any) -> None:
        body = json.dumps(changes).encode()
        request = urllib.request.Request(self.url + "/_simulator/config", data=body)
        urllib.request.urlopen(request).close()
