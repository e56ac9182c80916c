"""``scrapy crawl``, with what it needs looked at first and an exit code that tells the end."""

import argparse
import difflib
import gc

from scrapy.commands import crawl
from scrapy.exceptions import UsageError

from rankspider.command import INTERRUPTED, complain, settle_log_level
from rankspider.configuration import Configuration, read_flag
from rankspider.errors import ConfigurationError, RankspiderError
from rankspider.servers import reachable_servers

# Any other reason is one that was asked for: drained, a signal, CLOSESPIDER_….
_QUEUE_LOST = 5
_EXIT_CODES = {
    "error": 1,
    "start_error": 1,
    "lost_server": 3,
    "server-unavailable": 3,
    "licences-refused": 4,
    "refused-alike": 4,
}


class Command(crawl.Command):
    """Scrapy's ``crawl``, with more care for this project's spider; other spiders run as they do
    everywhere."""

    def long_desc(self) -> str:
        return (
            "Run a spider by name. goods_rank asks the endpoint for every anchor on the Redis "
            "queue and stores what it answers in MongoDB. It needs RANK_API_URL and "
            "RANK_API_TOKENS; without REDIS_URL or MONGO_URI it brings up an embedded server. "
            "It waits for work until stopped; '-a drain=1' ends it once the queue is empty. "
            "Exit codes: 0 drained or asked to stop, 1 error, 2 a setting is missing or wrong, "
            "3 a server cannot be used, 4 every licence was refused, or with drain=1 every "
            "call, 5 Redis lost the queue."
        )

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        """Settle what must be known before Scrapy sets up logging; Scrapy calls this."""
        super().process_options(args, opts)
        assert self.settings is not None
        settle_log_level("crawl", self.settings)

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Run the crawl and set the exit code; Scrapy calls this."""
        if len(args) != 1:
            raise UsageError("name one spider: scrapy crawl goods_rank")
        assert self.settings is not None and self.crawler_process is not None
        if args[0] not in self.crawler_process.spider_loader.list():
            known = ", ".join(self.crawler_process.spider_loader.list())
            error = ConfigurationError(f"no spider is called {args[0]!r}; there is: {known}")
            self.exitcode = complain("crawl", error)
            return
        # It looks at the whole stack while it is imported, which is short here; a third of a
        # second later on, of the second and a half that a worker takes to start.
        import scrapy.core.downloader.contextfactory  # noqa: F401

        from rankspider.spiders.goods_rank import GoodsRankSpider

        spider = self.crawler_process.spider_loader.load(args[0])
        if not issubclass(spider, GoodsRankSpider):  # one of the user's own
            super().run(args, opts)
            return
        try:
            _refuse_unknown(opts.spargs, spider.arguments)
            read_flag("drain", opts.spargs.get("drain", "0"))
            configuration = Configuration.read(self.settings)
            configuration.require_endpoint()
            with reachable_servers(self.settings, configuration):
                self._crawl(args[0], opts)
        except RankspiderError as problem:
            self.exitcode = complain("crawl", problem)
        except KeyboardInterrupt:  # before Scrapy listens for it
            self.exitcode = INTERRUPTED

    def _crawl(self, name: str, opts: argparse.Namespace) -> None:
        assert self.crawler_process is not None
        crawler = self._create_crawler(name)
        _collect_seldom()
        self.crawler_process.crawl(crawler, **opts.spargs)
        self.crawler_process.start()
        if self.crawler_process.bootstrap_failed:
            self.exitcode = 1
            return
        assert crawler.stats is not None
        # None if a second signal ended it at once.
        reason = crawler.stats.get_value("finish_reason") or "error"
        if crawler.stats.get_value("rank/anchors/left_leased"):
            reason = "lost_server"
        self.exitcode = _EXIT_CODES.get(reason, 0)
        if not self.exitcode and crawler.stats.get_value("rank/queue/lost"):
            self.exitcode = _QUEUE_LOST


def _collect_seldom() -> None:
    """Collect garbage seldom: a seventh of a worker's time goes into looking for it, most of it in
    what was imported; answers are freed by their reference counts."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _refuse_unknown(arguments: dict[str, str], known: tuple[str, ...]) -> None:
    """Raise `ConfigurationError` for an argument of goods_rank that nothing would read.

    Those with ``_`` in front are for whoever runs it, such as scrapyd's ``_job``.
    """
    for name in arguments:
        if name not in known and not name.startswith("_"):
            likely = difflib.get_close_matches(name, known, n=1)
            meant = f"; did you mean {likely[0]}?" if likely else ""
            raise ConfigurationError(
                f"-a {name}: goods_rank knows no such argument, only {', '.join(known)}{meant}"
            )
