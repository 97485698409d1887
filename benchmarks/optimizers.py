"""Muon beside AdamW on a recipe's own tokens: the same model, rows and number of steps, at several learning rates.

    python -m benchmarks.optimizers --lake lake --recipe sample --steps 500

Each trial is an ordinary `pretrain` artifact of the lake: a trial that is there is not run again. Prints the held-out
bits per byte after the last step, and the seconds on this machine.
"""

import argparse

from flows.recipe import load_recipe
from storage.artifact import Artifact
from storage.lake import Lake
from tasks.pretrain import PretrainConfig, pretrain
from tasks.run import running

TRIALS = [("adamw", rate) for rate in (4e-3, 1e-2, 2e-2)] + [("muon", rate) for rate in (5e-3, 1e-2, 2e-2)]


def trial(config: PretrainConfig, kind: str, rate: float, steps: int) -> PretrainConfig:
    """The recipe's training with another optimizer, peak learning rate and length."""
    optimizer = config.training.optimizer.model_copy(update={"kind": kind, "learning_rate": rate})
    training = config.training.model_copy(update={"optimizer": optimizer, "steps": steps, "tokens": None})
    return config.model_copy(update={"training": training})


def main() -> None:
    """Run the trials and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lake", default="lake")
    parser.add_argument("--recipe", default="sample")
    parser.add_argument("--steps", type=int, default=500)
    asked = parser.parse_args()
    lake, recipe = Lake(asked.lake), load_recipe(asked.recipe)
    base = lake.get(f"{recipe.name}/base")
    inputs: dict[str, Artifact] = {role: base.input(role) for role in ("packing", "tokens", "tokenizer")}
    print("| optimizer | peak learning rate | steps | held-out bits per byte | seconds |\n|---|---|---|---|---|")
    with running(lake, "benchmark of optimizers", parameters={"steps": asked.steps}):
        for kind, rate in TRIALS:
            made = pretrain(trial(recipe.training, kind, rate, asked.steps), **inputs)
            measured = [bits for bits in made.read(["validation_bits_per_byte"])[0].to_pylist() if bits is not None]
            seconds = made.provenance["notes"]["0"]["seconds"]
            print(f"| {kind} | {rate:g} | {asked.steps} | {measured[-1]:.3f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
