"""MongoDB: collections, indexes and idempotent writes."""
