"""``scrapy simulate`` as a process."""

import json
import subprocess
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

    def configure(self, **changes: Any) -> None:
        body = json.dumps(changes).encode()
        request = urllib.request.Request(self.url + "/_simulator/config", data=body)
        urllib.request.urlopen(request).close()
