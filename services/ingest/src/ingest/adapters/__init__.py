"""Ingest's way to Kafka."""
