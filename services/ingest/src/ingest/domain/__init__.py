"""The rules of ingest: pure functions of bytes and values."""
