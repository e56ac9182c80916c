"""Validate and store; what is new was asked before, by `rankspider.dedupe`."""
