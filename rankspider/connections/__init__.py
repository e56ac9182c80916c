"""The connections to Redis and MongoDB, every Redis key, and how an outage is waited out."""
