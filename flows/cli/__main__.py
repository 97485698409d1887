"""`python -m flows.cli` is the command `gristmill`."""

from flows.cli import main

main()
