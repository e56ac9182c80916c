"""The archive keeps answers as they came, in few bytes, finds them again, and runs them through
today's code."""
