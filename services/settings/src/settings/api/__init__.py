"""HTTP in: the operator's API and the vendors' callbacks in public, the services' API inside."""
