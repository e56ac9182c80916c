"""A local rank endpoint for the demo, tests and benchmarks."""
