"""`python -m settings`."""

from settings.app import main

main()
