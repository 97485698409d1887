"""Two refreshes of one lake at the same time, with no server that would let one wait: both end, with one corpus."""

import pytest

from storage import names
from storage.lake import Lake
from tests.acceptance.way import contents, finish, start
from tests.acceptance.world import write_warc, write_world

pytestmark = pytest.mark.slow


def test_two_refreshes_at_once_end_with_one_corpus_and_one_history(tmp_path):
    recipe = write_world(tmp_path / "world", warcs=1)
    lake = tmp_path / "lake"
    for round_, first in enumerate((None, 500)):
        if first:
            write_warc(tmp_path / "world" / "pages" / "later.warc.gz", first, 20)
        both = [start(lake, recipe, part="corpus") for _ in range(2)]
        outputs = [process.communicate(timeout=280)[0] for process in both]
        assert [process.returncode for process in both] == [0, 0], outputs
        corpora = Lake(lake).artifacts("compose")
        assert len(corpora) == round_ + 1
        assert [(number, one) for number, one, _ in names.history(Lake(lake), "mill/corpus")] == list(
            enumerate(corpora, 1)
        )
    assert not list(lake.glob("*/.staging/*.work"))
    # the same artifacts as one refresh after the other leaves, byte for byte
    (tmp_path / "world" / "pages" / "later.warc.gz").rename(tmp_path / "later")
    finish(tmp_path / "alone", recipe, part="corpus")
    (tmp_path / "later").rename(tmp_path / "world" / "pages" / "later.warc.gz")
    finish(tmp_path / "alone", recipe, part="corpus")
    assert contents(lake) == contents(tmp_path / "alone")
