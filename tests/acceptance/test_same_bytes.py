"""The same bytes for any number of workers, and for one snapshot or several."""

from tests.acceptance.way import contents, finish
from tests.acceptance.world import write_warc, write_world


def test_one_worker_and_four_give_the_same_bytes_for_every_data_stage(tmp_path):
    """Nine files of unequal size; workers take shards as they get free, largest first, so they end in any order."""
    recipe = write_world(tmp_path / "world", warcs=9)
    finish(tmp_path / "one", recipe, workers=1, part="tokens")
    finish(tmp_path / "four", recipe, workers=4, part="tokens")
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "four")
    stages = {path.split("/")[0] for path in one}
    assert stages == {
        "ingest",
        "extract",
        "language",
        "quality",
        "sign",
        "decide",
        "compose",
        "train_tokenizer",
        "tokenize",
        "pack",
    }
    assert sum(path.startswith("extract/") and "/part-" in path for path in one) == 9


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
