"""The queue of anchors in Redis: members, leases, acknowledgements, dead letters."""
