"""Every Redis key of one queue, each named once."""

import re
from dataclasses import dataclass, fields
from typing import Self

# As Redis Cluster reads it: from the first brace to the next that closes, unless nothing is there.
_HASH_TAG = re.compile(r"[^{]*\{[^}]+\}")


def has_a_slot_to_share(queue: str) -> bool:
    """Return whether other keys can be named that stand in ``queue``'s slot of a Redis Cluster."""
    return "}" not in queue or _HASH_TAG.match(queue) is not None


@dataclass(frozen=True, slots=True)
class Keys:
    """The queue's own key and those beside it, all in one Redis Cluster slot."""

    queue: str
    """LIST, SET or ZSET: what waits. The producer's."""
    leases: str
    """ZSET member → deadline, ms."""
    held: str
    """HASH member → the lease: receipt, owner, tries, where it came from."""
    delayed: str
    """ZSET member → when it may come back, ms."""
    tries: str
    """HASH member → what its earlier deliveries came to."""
    dead: str
    """HASH member → its dead letter, JSON."""
    receipts: str
    """STRING: the last receipt given out."""
    dedupe: str
    """Stem of HASHes, one an hour: what was read, and whether it is stored."""
    cut_off: str
    """HASH, while it is there: deliveries ended with nobody knowing how much of what they brought
    is stored."""
    licences: str
    """HASH: fingerprint → record, and ``pace`` and ``circuit``; all msgpack, the licences' script's
    own."""

    epoch: str
    """STRING: which queue this is. Made with the first lease; another one, or none, says that
    Redis lost the queue in between."""
    sizes: str
    """STRING: how many waited, were delayed and leased when the queue's script ran last; fewer
    now say that Redis evicted them, or that somebody took them."""
    watched: str
    """HASH: the watch list. ``sec_uid`` → how often it is asked, and what is known of it."""
    turns: str
    """ZSET ``sec_uid`` → when its next turn is due, ms."""
    listed: str
    """ZSET ``sec_uid`` → when the list was last seen with it, ms."""
    plan: str
    """HASH: what the watch list's turns have in common, such as their pace."""

    @classmethod
    def of(cls, queue: str) -> Self:
        """Return the keys of ``queue``. A key that carries a hash tag of its own lends it to the
        others."""
        stem = queue if _HASH_TAG.match(queue) else f"{{{queue}}}"
        return cls(queue, *(f"{stem}:{field.name}" for field in fields(cls)[1:]))

    @property
    def beside(self) -> str:
        """Return what begins the name of every key but the queue's own."""
        return self.leases.removesuffix("leases")

    def of_script(self) -> list[str]:
        """Return the ``KEYS`` of the queue's script, in their order."""
        beside = [self.watched, self.turns, self.listed, self.plan]
        return [*self.all(), *beside]

    def all(self) -> list[str]:
        """Return the queue's own, the first of `of_script`."""
        return [
            self.queue,
            self.leases,
            self.held,
            self.delayed,
            self.tries,
            self.dead,
            self.receipts,
            self.cut_off,
            self.epoch,
            self.sizes,
        ]
