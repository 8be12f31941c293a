"""`python -m debounce`."""

from debounce.app import main

main()
