"""The whole product on one machine: started, tried with scripted conversations, and judged."""
