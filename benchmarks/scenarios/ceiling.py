"""What the endpoint itself can serve: no crawler may be held back by it."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import psutil

from benchmarks.endpoint import World, serving
from benchmarks.options import Options
from benchmarks.report import Line
from benchmarks.stage import TOKEN, Stage
from rankspider.simulator.world import synthetic_sec_uid

_CONNECTIONS = 16
_PATH = "/douyin/webcast/rank_goods"


def ceiling(stage: Stage, options: Options, say: Callable[[str], None]) -> list[Line]:
    """The same answers, read by 16 bare connections that look at nothing."""
    lines = []
    plain = World(anchors=max(1000, options.answers), rows=options.rows)
    worlds = {
        "plain": plain,
        "gzip": replace(plain, gzip=True),
        "spaced": replace(plain, style="spaced"),
        "pretty": replace(plain, style="pretty"),
    }
    for name, world in worlds.items():
        with serving(world) as endpoint:
            process = psutil.Process(endpoint.pid)
            used, began = sum(process.cpu_times()[:2]), time.monotonic()
            anchors = iter([synthetic_sec_uid(1, index) for index in range(options.answers)])
            asyncio.run(_drain(endpoint.url, anchors))
            rate = options.answers / (time.monotonic() - began)
            cpu = 1000 * (sum(process.cpu_times()[:2]) - used) / options.answers
        say(f"endpoint: {name}: {rate:.0f} answers/s, {cpu:.2f} ms CPU each")
        note = f"{cpu:.2f} ms CPU each"
        lines.append(Line("endpoint", f"answers/s it serves, {name}", "", ours=rate, note=note))
    return lines


async def _drain(url: str, anchors: Iterator[str]) -> None:
    address = urlsplit(url)
    streams = [_read(address.hostname, address.port, anchors) for _ in range(_CONNECTIONS)]
    await asyncio.gather(*streams)


async def _read(host: str | None, port: int | None, anchors: Iterator[str]) -> None:
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
    for anchor in anchors:
        target = f"{_PATH}?token={TOKEN}&sec_anchor_id={anchor}"
        lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "Accept-Encoding: gzip", "", ""]
        writer.write("\r\n".join(lines).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
    writer.close()
    await writer.wait_closed()
