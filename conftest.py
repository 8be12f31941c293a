"""Fixtures for every test: the real Kafka and PostgreSQL, started once a session and only when asked for."""

pytest_plugins = ["devstack.pytest_plugin"]
