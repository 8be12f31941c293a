"""The stores, on PostgreSQL."""
