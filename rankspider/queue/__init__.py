"""The anchors waiting in Redis: queued, leased, acknowledged, tried again, and buried."""
