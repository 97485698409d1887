"""The whole way in one process without a server: what the kill and worker tests start and compare.

`python -m tests.acceptance.way LAKE RECIPE WORKERS [PART [SEED]]` goes the way, or a part of it: corpus, tokens or
model. With a seed, shards are begun and reported done in an order drawn from it.
"""

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows.finetune import converse, tune
from flows.grow import grow_corpus
from flows.pretrain import find_tokenizer, train_base
from flows.recipe import check_recipe, load_recipe
from storage.lake import Lake
from tasks import stage
from tasks.executor import Done, Progress, ShardExecutor, Work
from tasks.pack import pack
from tasks.run import running
from tasks.tokenize import fitting, tokenize

ROOT = Path(__file__).resolve().parents[2]


def go(lake: Path, recipe: Path, workers: int, part: str = "tuned") -> None:
    """Run the stages up to `part`: corpus, tokens, model or tuned."""
    plan = check_recipe(load_recipe(str(recipe)))
    with running(lake, "way", workers=workers, quiet=True):
        corpus = grow_corpus(plan)
        if part == "corpus":
            return
        if part == "tokens":
            tokenizer = find_tokenizer(plan, corpus)
            pack(plan.packing, tokens=tokenize(fitting(tokenizer), corpus=corpus, tokenizer=tokenizer))
            return
        base = train_base(plan, corpus)
        if part == "tuned":
            tune(plan, base, converse(plan))


class ShuffledExecutor(ShardExecutor):
    """Real workers, but in a drawn order: which shard is begun when, and in which order the stage hears of their end.

    It prints, for each stage of several shards, the order in which they ended.
    """

    def __init__(self, workers: int, seed: int) -> None:
        super().__init__(workers)
        self.draw = random.Random(seed)

    def run(
        self, work: Work, shards: Sequence[Any], done: Done, *, label: str = "", on_progress: Progress | None = None
    ) -> None:
        """The same, shuffled."""
        ended: list[tuple[Any, Any]] = []
        shards = self.draw.sample(list(shards), len(shards))
        super().run(work, shards, lambda shard, result: ended.append((shard, result)), label=label)
        self.draw.shuffle(ended)
        for shard, result in ended:
            done(shard, result)
        if len(ended) > 1:
            print("order", label, *(shard.index for shard, _ in ended))


def go_shuffled(lake: Path, recipe: Path, workers: int, part: str, seed: int) -> None:
    """Run the stages up to `part`, their shards in an order drawn from `seed`."""
    with ShuffledExecutor(workers, seed) as executor:
        stage.shared_executor = lambda workers: executor  # the stages' one way to workers
        go(lake, recipe, workers, part)


def start(
    lake: Path, recipe: Path, workers: int = 2, part: str = "tuned", seed: int | None = None, **environment: str
) -> subprocess.Popen[str]:
    """The same in a process of its own, which a test may kill."""
    command = [sys.executable, "-m", "tests.acceptance.way", str(lake), str(recipe), str(workers), part]
    command += [] if seed is None else [str(seed)]
    around = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")} | environment
    return subprocess.Popen(command, cwd=ROOT, env=around, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(lake: Path, recipe: Path, workers: int = 2, part: str = "tuned", seed: int | None = None) -> str:
    """Run to the end; fails with the output if that fails, else gives it."""
    process = start(lake, recipe, workers, part, seed)
    output, _ = process.communicate(timeout=280)
    assert process.returncode == 0, output
    return output


def contents(lake: Path) -> dict[str, str]:
    """SHA-256 of every file of every committed artifact but its provenance, by its path in the lake."""
    return {
        str(path.relative_to(lake)): hashlib.sha256(path.read_bytes()).hexdigest()
        for artifact in Lake(lake).artifacts()
        for path in sorted(artifact.folder.rglob("*"))
        if path.is_file() and path.name != "provenance.json"
    }


def finished(lake: Path) -> dict[tuple[str, str, str], tuple[int, int]]:
    """Inode and time of each part of every shard that counts, committed or waiting for it, by its final place."""
    found = {}
    for manifest in lake.glob("*/*/manifest.json"):
        for path in manifest.parent.rglob("*"):
            if path.is_file() and path.name not in ("manifest.json", "provenance.json"):
                found[manifest.parts[-3], manifest.parts[-2], path.relative_to(manifest.parent).as_posix()] = path
    for record in lake.glob("*/.staging/*.work/shard-*.json"):
        folder = record.parent.with_suffix("")
        number = record.stem.removeprefix("shard-")
        for path in folder.glob(f"*-{number}.*"):
            found[record.parts[-4], folder.name, path.name] = path
    return {place: (path.stat().st_ino, path.stat().st_mtime_ns) for place, path in found.items()}


def unfinished(lake: Path) -> dict[str, set[tuple[str, int, int]]]:
    """What lies in the staging of each artifact that has a work folder: path, inode and a file's time, by stage."""
    found: dict[str, set[tuple[str, int, int]]] = {}
    for work in lake.glob("*/.staging/*.work"):
        for path in [work, *work.rglob("*"), *work.with_suffix("").rglob("*")]:
            about = path.stat()
            # the time of a folder moves when another run clears away in it
            thing = path.relative_to(lake).as_posix(), about.st_ino, about.st_mtime_ns if path.is_file() else 0
            found.setdefault(work.parts[-3], set()).add(thing)
    return found


if __name__ == "__main__":
    where = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    if len(sys.argv) > 5:
        go_shuffled(*where, sys.argv[4], int(sys.argv[5]))
    else:
        go(*where, *sys.argv[4:])
