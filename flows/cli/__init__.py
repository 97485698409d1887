"""The command line: `gristmill --help` teaches it."""

from flows.cli.app import main

__all__ = ["main"]
