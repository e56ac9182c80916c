"""The rank endpoint: requests, answers and failures. Pure functions, no engine, no I/O."""
