"""Every error rankspider raises on purpose, and the exit code a command ends with.

::

    RankspiderError                 exit  1
    ├── ConfigurationError                2   a setting is missing or wrong
    ├── ServiceUnavailable                3   Redis, MongoDB or a port cannot be used
    │   └── EmbeddedServerError           3   a server for one machine did not start
    ├── MemberError                       2   a queue member names no anchor
    ├── MomentError                       2   a moment or a range of hours makes no sense
    ├── TermsError                        2   how often to ask makes no sense (watch/)
    ├── NotInTheLake                      1   the lake holds no such list, hour or anchor
    ├── SeveralAnchors                    2   what was meant to name one anchor fits several
    ├── AllLicencesRefused                4   the endpoint refused every licence (licences/)
    ├── LakeTooNew                        1   a newer release wrote the lake (lake/)
    ├── CollectionInTheWay                1   a view or the like has the name of one of ours (lake/)
    ├── IndexInTheWay                     1   an index of the operator's bars one of ours (lake/)
    ├── LakeReplaced                      1   the lake was dropped meanwhile (lake/)
    ├── RetentionRefused                  1   RANK_RETENTION needs a right it lacks (lake/)
    ├── AnswerError                       1   an answer is not the list asked for (endpoint/)
    ├── ExportError                       1   a folder or a document does not fit an export
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


class MomentError(RankspiderError, ValueError):
    """A moment, an hour or a range of hours that was given makes no sense."""

    exit_code = 2


class NotInTheLake(RankspiderError):
    """The lake holds nothing of what was asked for."""


class SeveralAnchors(RankspiderError):
    """Raised when a text that was meant to name one anchor fits several; the message lists them,
    one a line."""

    exit_code = 2


class ExportError(RankspiderError):
    """A folder holds something else than this export, or a document something else than its
    column."""


class ArchiveDamaged(RankspiderError):
    """An archived answer, or the one it was compressed against, is not what it was."""
