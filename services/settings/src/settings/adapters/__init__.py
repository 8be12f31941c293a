"""PostgreSQL, Kafka, vendors and cryptography, behind the ports."""
