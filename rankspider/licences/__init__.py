"""The fleet's licences in Redis: whose turn it is, how fast, and which are set aside."""
