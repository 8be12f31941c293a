"""Where debounce meets Kafka."""
