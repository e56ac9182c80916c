"""What the tests put between this project and the real servers."""
