"""What a benchmark is told on its command line."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """The defaults are those of ``make bench``."""

    answers: int = 3200
    """To this project and to the empty crawl, each run."""
    reference_answers: int = 96
    """The reference is slow; in batches of 16."""
    repeats: int = 5
    rows: int = 100
    """Of the list; fewer make a quick look that is no figure."""
    gap_minutes: float = 10
    """Virtual time between two crawls of the same anchors; more than a crawl takes."""
    defaults_too: bool = True
    """Whether the reference also runs with Scrapy's default logs."""
    memory_answers: tuple[int, int] = (2000, 20_000)
    queue_members: int = 1_000_000
