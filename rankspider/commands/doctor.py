"""``scrapy doctor``: would a run work, and if not, what is to be mended?"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from scrapy.exceptions import UsageError
from scrapy.settings import BaseSettings

from rankspider.checkup import endpoint, licences, mongo, redis
from rankspider.checkup.call import CallResult, call
from rankspider.checkup.finding import SERVER, SETTING, Finding, Level, exit_code_of, failed
from rankspider.checkup.fleet import Fleet
from rankspider.checkup.misspelt import misspelt
from rankspider.checkup.secrets import Secrets
from rankspider.checkup.settings import examine
from rankspider.command import RankCommand
from rankspider.configuration import Configuration, tokens_in
from rankspider.connections.redis import is_configured
from rankspider.embedded import embedded_servers
from rankspider.environment import Environment, project
from rankspider.errors import ConfigurationError, EmbeddedServerError
from rankspider.licences.ledger import Rates
from rankspider.secrecy import discreet
from rankspider.spiders.goods_rank import GoodsRankSpider
from rankspider.terminal import harmless, harmless_json


class Command(RankCommand):
    name = "doctor"
    summary = "Say before a run what would keep it from working"
    description = (
        "Look at all that 'scrapy crawl goods_rank' needs, and write a line for each: ok, warning "
        "(a run works all the same, or waits) or FAILED (it would fail, or bring nothing), with "
        "what mends it. That is every setting and where it came from, Redis and MongoDB "
        "(reachable, writable, what outlives a crash), the queue, the endpoint, each licence, and "
        "the clocks. A licence is named by its fingerprint; 'fleet' is what the workers know of "
        "it, 'call' what came of one call that is made with it now, and counts as any other; "
        "--no-calls makes none. A licence that was refused and works again is told to all workers; "
        "one that fails is not: they find out by themselves. What is written to Redis and MongoDB, "
        "to see that it may be, is removed at once. No licence or password is shown. Examples: "
        "'scrapy doctor', 'scrapy doctor --no-calls', 'scrapy doctor --json'. Exit codes: 0 a run "
        "can work, or would wait for a licence, whatever is warned of; else a run would fail or "
        "bring nothing: 2 a setting is missing or wrong, 3 a server or the endpoint cannot be had, "
        "4 every licence is refused, 1 anything else."
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        group = parser.add_argument_group(title="What is asked, and how it is shown")
        group.add_argument("--no-calls", action="store_true", help="make no call with a licence")
        group.add_argument(
            "--json", action="store_true", help="write one JSON object in place of lines"
        )

    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        if args:
            raise UsageError(f"not understood: {' '.join(args)}")
        findings: list[Finding] = []
        for finding in checkup(self.project_settings, project, calls=not opts.no_calls):
            findings.append(finding)
            if not opts.json:
                _show(finding)
        code = exit_code_of(findings)
        sys.stdout.write(_json(findings, code) if opts.json else f"{_summary(findings)}\n")
        return code


def checkup(settings: BaseSettings, environment: Environment, *, calls: bool) -> Iterator[Finding]:
    """Yield every finding, in the order in which a run would meet it."""
    examined = examine(settings, environment)
    yield from examined.findings
    yield from misspelt(settings, environment, examined.names)
    configuration, secrets = examined.configuration, _secrets(settings, examined.configuration)
    settings = settings.copy()
    try:
        GoodsRankSpider.update_settings(settings)
    except ConfigurationError as error:
        about, _, what = str(error).partition(": ")
        yield failed(SETTING, about, what)
    with ExitStack() as stack:
        fleet = None
        if "REDIS_URL" not in examined.wrong:
            about_redis = list(_redis(settings, configuration, secrets, stack))
            yield from about_redis
            if not any(finding.exit_code for finding in about_redis):
                each = configuration.requests_per_second_per_token
                rates = Rates(each=each, total=configuration.requests_per_second)
                fleet = Fleet(settings, configuration.queue_key, rates)
        if not {"MONGO_URI", "MONGO_DATABASE"} & examined.wrong:
            yield from _mongo(configuration, secrets, stack)
        yield from _endpoint(settings, configuration, fleet, secrets, calls=calls)


def _secrets(settings: BaseSettings, configuration: Configuration) -> Secrets:
    urls = [settings.get(name) for name in ("REDIS_URL", "MONGO_URI", "RANK_API_URL")]
    parameters = settings.getdict("REDIS_PARAMS")
    others = [parameters.get(name) for name in ("password", "sentinel_password")]
    tokens = (*configuration.api_tokens, *tokens_in(settings.get("RANK_API_TOKENS") or ""))
    return Secrets(tokens, map(str, filter(None, urls)), map(str, filter(None, others)))


def _redis(
    settings: BaseSettings, configuration: Configuration, secrets: Secrets, stack: ExitStack
) -> Iterator[Finding]:
    note = None
    if not is_configured(settings):
        try:
            servers = stack.enter_context(
                embedded_servers(configuration.data_dir, redis=True, mongo=False)
            )
        except EmbeddedServerError as error:
            yield failed(SERVER, "Redis", str(error))
            return
        settings.set("REDIS_URL", servers.redis_url, priority="cmdline")
        note = servers.redis_note
    yield from redis.look_at(settings, configuration.queue_key, note, secrets)


def _mongo(configuration: Configuration, secrets: Secrets, stack: ExitStack) -> Iterator[Finding]:
    uri, note = configuration.mongo_uri, None
    if uri is None:
        try:
            servers = stack.enter_context(
                embedded_servers(configuration.data_dir, redis=False, mongo=True)
            )
        except EmbeddedServerError as error:
            yield failed(SERVER, "MongoDB", str(error))
            return
        uri, note = servers.mongo_uri, servers.mongo_note
    assert uri is not None
    yield from mongo.look_at(uri, configuration.mongo_database, note, secrets)


def _endpoint(
    settings: BaseSettings,
    configuration: Configuration,
    fleet: Fleet | None,
    secrets: Secrets,
    *,
    calls: bool,
) -> Iterator[Finding]:
    ask: Callable[[str], CallResult] | str = "not asked: there is no RANK_API_URL"
    if configuration.api_url is not None:
        verifies = settings.getbool("DOWNLOAD_VERIFY_CERTIFICATES")
        reached = endpoint.look_at(configuration.api_url, verifies=verifies)
        yield from reached
        if any(finding.exit_code for finding in reached):
            ask = "not asked: see the endpoint"
        elif not calls:
            ask = "not asked (--no-calls)"
        else:
            ask = partial(call, configuration.api_url, user_agent=settings["USER_AGENT"])
    if configuration.api_tokens:
        yield from licences.look_at(configuration.api_tokens, fleet, ask, secrets)


def _show(finding: Finding) -> None:
    """Write one finding at once: a server that is away takes some seconds to be given up."""
    remedy = f"; {finding.remedy}" if finding.remedy else ""
    line = f"{finding.level.value:<8} {finding.about}: {finding.what}{remedy}"
    sys.stdout.write(f"{harmless(discreet(line))}\n")
    sys.stdout.flush()


def _summary(findings: list[Finding]) -> str:
    count = {level: sum(each.level is level for each in findings) for level in Level}
    broken, warned = count[Level.FAILED], count[Level.WARNING]
    warnings = f"{warned} warning" + ("s" if warned != 1 else "")
    if broken:
        others = f", and {warnings}" if warned else ""
        return f"A run would fail, or bring nothing: {broken} to be mended first{others}."
    wait = next((finding.wait for finding in findings if finding.wait), None)
    if wait is not None:
        return f"A run would start, and wait: {wait}; {warnings}."
    return f"Nothing found that would keep a run from working; {warnings}."


def _json(findings: list[Finding], code: int) -> str:
    found: list[dict[str, Any]] = [
        {
            "level": finding.level.value.lower(),
            "about": finding.about,
            "what": discreet(finding.what),
            "remedy": discreet(finding.remedy),
            **({"facts": finding.facts} if finding.facts else {}),
        }
        for finding in findings
    ]
    text = json.dumps({"exit_code": code, "findings": found}, ensure_ascii=False, indent=2)
    return f"{harmless_json(text)}\n"
