"""The same bytes for any number of workers, and for one snapshot or several."""

import re

from tests.acceptance.way import contents, finish
from tests.acceptance.world import RECIPE, write_warc, write_world

SHARDED = ("extract", "language", "quality", "sign", "redact", "contamination", "compose", "tokenize")
"""Stages whose shards are spread over workers; each of the others is one shard."""


def test_one_worker_and_four_give_the_same_bytes_for_every_data_stage(tmp_path):
    """Nine files and as many parts of the corpus. One worker takes shards largest first; four take them in a drawn
    order, and the stage hears of their ends in another one."""
    mixed = RECIPE.replace("packing:", "mixture: {part_bytes: 10000}\npacking:")
    recipe = write_world(tmp_path / "world", warcs=9, recipe=mixed)
    finish(tmp_path / "one", recipe, workers=1, part="tokens")
    output = finish(tmp_path / "four", recipe, workers=4, part="tokens", seed=5)
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "four")
    assert {path.split("/")[0] for path in one} == {
        *SHARDED,
        "ingest",
        "questions",
        "phrases",
        "decide",
        "train_tokenizer",
        "pack",
    }
    orders = {words[1]: [int(word) for word in words[2:]] for words in map(str.split, re.findall("order .*", output))}
    for stage in SHARDED:
        parts = sum(path.startswith(f"{stage}/") and "/part-" in path for path in one)
        assert parts >= 8, stage
        assert sorted(orders[stage]) == list(range(parts))
        assert orders[stage] != sorted(orders[stage])


def test_a_refresh_equals_a_rebuild(tmp_path):
    """Part files of decisions and corpus are the same bytes, whether the files came at once or one after the other."""
    recipe = write_world(tmp_path / "world", warcs=1)
    for number in (1, 2):
        finish(tmp_path / "grown", recipe, part="corpus")
        write_warc(tmp_path / "world" / "pages" / f"crawl-{number}.warc.gz", 100 * number, 12 + 9 * number)
    finish(tmp_path / "grown", recipe, part="corpus")
    finish(tmp_path / "rebuilt", recipe, part="corpus")

    def newest(lake, stage: str) -> set[str]:
        from storage.lake import Lake

        return {part.sha256 for part in Lake(lake).artifacts(stage)[-1].manifest.parts}

    assert len({path.split("/")[1] for path in contents(tmp_path / "grown") if path.startswith("extract/")}) == 3
    for stage in ("decide", "compose"):
        assert newest(tmp_path / "grown", stage) == newest(tmp_path / "rebuilt", stage)
