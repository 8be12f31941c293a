"""Kills a process at every await point of an attempt; `tests/crashes/conftest.py` finds it."""
