"""The schema's history. `python -m settings migrate` brings a database up to its end."""
