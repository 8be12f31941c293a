"""One file per vendor, with what only it does; `base` sends and sorts the answers."""
