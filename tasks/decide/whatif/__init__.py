"""What-if: what other thresholds would keep and drop, told from stored scores and decisions. Nothing is written.

`columns` reads scores in the order of the decisions, `verdicts` says who fails what under a changed configuration (by
the rules alone, or with clusters formed again), `counts` compares two verdicts, `tokens` estimates what they come to,
`samples` looks up documents on both sides of the line, and `curve` turns one dial through a range.
"""
