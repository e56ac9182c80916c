"""Every error rankspider raises on purpose, and the exit code a command ends with.

::

    RankspiderError                 exit  1
    ├── ConfigurationError                2   a setting is missing or wrong
    ├── ServiceUnavailable                3   Redis, MongoDB or a port cannot be had
    │   └── EmbeddedServerError           3   a server for one machine did not start
    ├── MemberError                       2   a queue member names no anchor
    ├── AllLicencesRefused                4   the endpoint refused every licence (licences/)
    ├── AnswerError                       1   an answer is not the list asked for (endpoint/)
    ├── ArchiveDamaged                    1   an archived answer cannot be had back (archive/)
    └── WriteRefused                      1   MongoDB cannot hold a document (lake/)

The message of each is one line that says what is wrong and how to mend it: commands print it
as it is, without a traceback. No message carries a licence or a password.
"""


class RankspiderError(Exception):
    """Root of all of them."""

    exit_code = 1


class ConfigurationError(RankspiderError):
    """A setting is missing or wrong; the message begins with the setting's name."""

    exit_code = 2


class ServiceUnavailable(RankspiderError):
    """A server or a port that is needed cannot be had."""

    exit_code = 3


class EmbeddedServerError(ServiceUnavailable):
    """A server for one machine could not be started, or is not installed."""


class MemberError(RankspiderError, ValueError):
    """A queue member is neither a ``sec_id``, nor a profile link, nor JSON with a ``sec_id``."""

    exit_code = 2


class ArchiveDamaged(RankspiderError):
    """An archived answer, or the one it was compressed against, is not what it was."""
