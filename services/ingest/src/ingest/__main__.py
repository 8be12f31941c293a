"""`python -m ingest`."""

from ingest.app import main

main()
