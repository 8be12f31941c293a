"""Real Kafka and PostgreSQL for development, demo and tests, on a machine with only Python."""

from devstack.database import ensure_database
from devstack.errors import DevStackError
from devstack.stack import DevStack, Stack

__all__ = ["DevStack", "DevStackError", "Stack", "ensure_database"]
