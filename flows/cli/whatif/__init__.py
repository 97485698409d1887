"""The command `whatif`: the question, its answer, how it is said (`printing`), and what commits it."""
