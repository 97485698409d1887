"""One module for each contest: what is measured, who takes part, how the outputs are compared.

A module has one `CONTEST` (see `benchmarks.harness`). Our contestants are functions of the module itself; those of the
peers stand in `benchmarks/peers/<same name>.py`, which runs in the peers' environment and imports nothing of ours.
"""
