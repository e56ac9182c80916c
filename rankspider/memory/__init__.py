"""What is known to be in the lake already, so that nothing is made or written for it again.

The worker's own memory (`local`) and the fleet's, in Redis (`fleet`). Correctness does not rest on
either: every write is idempotent.
"""
