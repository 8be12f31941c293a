"""The rules, pure: no clock, no I/O."""
