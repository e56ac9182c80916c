"""Commands asked within this process, which spares each of them Python's start."""

import signal
from typing import Any

import pytest
from scrapy.cmdline import execute
from scrapy.utils.project import get_project_settings


def asked(capsys: Any, uri: str, database: str, *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of ``scrapy`` with ``words``."""
    capsys.readouterr()
    own = [f"MONGO_URI={uri}", f"MONGO_DATABASE={database}", "RANK_TIMEZONE=Asia/Shanghai"]
    options = [part for each in own for part in ("-s", each)]
    sigint = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as ended:
            execute(["scrapy", *words, *options], settings=get_project_settings())
    finally:
        signal.signal(signal.SIGINT, sigint)  # a command's end gives it up
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err
