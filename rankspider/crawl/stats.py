"""Count as Scrapy does, without what makes each count cost some microseconds."""

from scrapy.statscollectors import MemoryStatsCollector


class QuickStatsCollector(MemoryStatsCollector):
    """Counts as `MemoryStatsCollector` does, but for a warning.

    Scrapy's looks up every attribute twice, to warn of the old ``spider`` argument of its methods.
    An answer counts some twenty things: that took 4 % of a worker's time.
    """

    __getattribute__ = object.__getattribute__
