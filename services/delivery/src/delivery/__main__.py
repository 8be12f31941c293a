"""`python -m delivery`."""

from delivery.app import main

main()
