"""Pipedrive: persons, notes (v1), activities and deals (v2), under a token budget."""
