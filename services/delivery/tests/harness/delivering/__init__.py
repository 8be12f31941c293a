"""delivery as real processes in its world, for the tests that `tests/conftest.py` serves."""
