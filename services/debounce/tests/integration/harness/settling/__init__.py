"""The service as a process on the real Kafka, and the two topics to judge it by."""
