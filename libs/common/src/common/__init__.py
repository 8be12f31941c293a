"""What crosses a service boundary: events, topics, shared rules, and the edges of all services."""
