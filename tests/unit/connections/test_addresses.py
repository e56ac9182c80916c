"""A slip in an address is named before anything is tried, and no part of a password with it."""

import pytest
import redis
from scrapy.settings import Settings

from rankspider.configuration import Configuration
from rankspider.connections.mongo import check as check_mongo
from rankspider.connections.redis import unavailable
from rankspider.errors import ConfigurationError

SECRET = "hunter"


def read(name: str, value: str) -> Configuration:
    settings = Settings()
    settings.setmodule("rankspider.settings")
    settings.set(name, value, priority="cmdline")
    return Configuration.read(settings)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://h/abc", "database must be a number"),
        ("redis://h:6379/0/1", "database must be a number"),
        ("redis://h/-1", "database must be a number"),
        ("redis://h/0 ", ""),
        ("redis://h?db=abc", "the option db"),
        ("redis://h/0?foo=1", "'foo'"),
        ("redis://h/0?sockettimeout=1", "did you mean socket_timeout"),
        ("redis://h/0?encoding=utf-16", "'encoding'"),
        ("redis://h/0?retry=3", "'retry'"),
        ("redis://h/0?credential_provider=x", "'credential_provider'"),
        ("redis://h/0?parser_class=x", "'parser_class'"),
        ("redis://h/0?timeout=3", "'timeout'"),
        ("redis://h/0?host=other", "'host'"),
        ("redis://h/0?socket_timeout=soon", "the option socket_timeout"),
        ("redis://h/0?protocol=4", "2 or 3"),
        ("redis://h/0?ssl_ca_certs=x", "for rediss:// alone"),
        ("rediss://h/0?ssl_cert_reqs=maybe", "none, optional, required"),
        ("unix:///tmp/s?nonsense=1", "'nonsense'"),
        ("redis+cluster://a,b?nonsense=1", "'nonsense'"),
        ("redis+sentinel://a/main/0?nonsense=1", "'nonsense'"),
        (f"redis://:{SECRET}/x@h:6379/0", "%2F"),
        (f"redis://:{SECRET}?x@h:6379/0", "%2F"),
        (f"redis://:{SECRET}#x@h:6379/0", "%2F"),
        (f"redis://u:x/{SECRET}@h/0", "%2F"),
        (f"redis://:a@{SECRET}/x@h:6379/0", ""),
        ("http://h:6379", "must begin with redis://"),
        ("h:6379", "must begin with redis://"),
        (f"{SECRET}@h", "must begin with redis://"),
        ("redis://h:port/0", "port must be a number"),
        ("redis://h:99999/0", "port must be a number"),
        ("redis://[::1/0", "malformed"),
        ("redis://", "names no host"),
    ],
)
def test_redis(url: str, message: str) -> None:
    if url == "redis://h/0 ":
        assert read("REDIS_URL", url).redis_url == "redis://h/0"
        return
    with pytest.raises(ConfigurationError, match="REDIS_URL") as raised:
        read("REDIS_URL", url)
    assert message in str(raised.value)
    assert SECRET not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "redis://h:/",
        "redis://:p%2Fw@h/3",
        "redis://u:p@s:s@h:1/0?client_name=a@b",
        "rediss://h/0?ssl_cert_reqs=none&ssl_ca_certs=/x",
        "unix:///tmp/some.sock?db=2",
        "redis+sentinel://a:1,b:2/main",
        "redis+cluster://a:1,b:2",
        "redis://h/0?decode_responses=True&protocol=3",
    ],
)
def test_redis_that_is_right(url: str) -> None:
    assert read("REDIS_URL", url).redis_url == url


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("mongodb://h/?foo=1", "Unknown option: foo"),
        ("mongodb://h/?tls=maybe", "tls must be"),
        ("mongodb://h/?maxPoolSize=many", "maxpoolsize must be"),
        (f"mongodb://u:{SECRET}@x@h/", "escaped"),
        (f"mongodb://u:{SECRET}:x@h/", "escaped"),
        (f"mongodb://u:{SECRET}%x@h/", "escaped"),
        (f"mongodb://u:{SECRET}/x@h/", "%2F"),
        (f"mongodb://u:{SECRET}?x@h/", "%2F"),
        ("http://h:27017", "must begin with mongodb://"),
        ("mongodb://h:port/", "port must be a number"),
        ("mongodb://h/?tls=true&tlsCAFile=/none/such", "names the file /none/such"),
        ("mongodb://", "names no host"),
    ],
)
def test_mongo(uri: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match="MONGO_URI") as raised:
        check_mongo(read("MONGO_URI", uri).mongo_uri or "")
    assert message in str(raised.value)
    assert SECRET not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "refusal",
    [
        redis.exceptions.NoPermissionError("NOPERM no permissions for 'eval'"),
        redis.exceptions.ClusterDownError("CLUSTERDOWN Hash slot not served"),
        redis.exceptions.ResponseError("unknown command 'ZMPOP'"),
    ],
)
def test_a_refusal_of_redis_is_quoted(refusal: redis.exceptions.RedisError) -> None:
    assert f"({refusal})" in str(unavailable(refusal))
