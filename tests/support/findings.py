"""What `scrapy doctor` finds, by name."""

import importlib

from scrapy.settings import Settings

from rankspider.checkup import redis
from rankspider.checkup.finding import Finding, Level
from rankspider.checkup.secrets import Secrets
from rankspider.environment import Environment, project

TOKEN, OTHER_TOKEN, PASSWORD = "lic-0123456789", "lic-9876543210", "hunter2"
NO_SECRETS = Secrets((), (), ())
Found = dict[str, Finding]


def environment_of(process: dict[str, str], file: dict[str, str] | None = None) -> Environment:
    return Environment(file or {}, process)


def settings_of(environment: Environment, **given: str) -> Settings:
    """As settings.py reads ``environment``, and with ``-s`` what is ``given``."""
    importlib.import_module("rankspider.settings")  # which asks for every name
    settings = Settings()
    for name, default in project.defaults.items():
        value = environment.get(name, default)
        if value is not None:
            settings.set(name, value or settings.get(name), priority="project")
    settings.setdict(given, priority="cmdline")
    return settings


def by_name(findings: list[Finding]) -> Found:
    """The last one about each."""
    return {finding.about: finding for finding in findings}


def bad(findings: list[Finding]) -> dict[str, str]:
    return {
        finding.about: f"{finding.level.value} {finding.exit_code}"
        for finding in findings
        if finding.level is not Level.OK
    }


# --- Redis --------------------------------------------------------------------------------------


def redis_findings(
    url: str, key: str = "q", note: str | None = None
) -> tuple[Found, list[Finding]]:
    settings = Settings({"REDIS_URL": url, "RANK_QUEUE_KEY": key})
    findings = list(redis.look_at(settings, key, note, Secrets((), [url], ())))
    return by_name(findings), findings


SERVERS = ("REDIS_URL", "MONGO_URI", "MONGO_DATABASE", "RANK_QUEUE_KEY")
