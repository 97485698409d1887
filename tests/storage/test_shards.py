"""The one writer: equal rows give equal bytes."""

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.shards import TableWriter, open_arrow, read_batches
from storage.table import column, table

ROWS = table(
    column("n", pa.int64(), "A number."), column("text", pa.large_string(), "A text."), group_rows=7, group_bytes=100
)


def _written(folder: Path, batches: list[pa.RecordBatch], declared=ROWS) -> str:
    path = folder / f"out.{declared.suffix}"
    with TableWriter(path, declared) as writer:
        for batch in batches:
            writer.write(batch)
    assert writer.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    return writer.sha256


@given(
    rows=st.lists(st.tuples(st.none() | st.integers(0, 9), st.none() | st.text(max_size=60)), max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=6),
)
@pytest.mark.parametrize("layout", ["parquet", "arrow"])
def test_equal_rows_give_equal_bytes_however_they_arrive(tmp_path_factory, layout, rows, cuts):
    declared = table(*ROWS.schema, format=layout, group_rows=7, group_bytes=100)
    folder = tmp_path_factory.mktemp("rows")
    whole = pa.RecordBatch.from_pylist([{"n": n, "text": text} for n, text in rows], schema=declared.schema)
    bounds = sorted({0, *(min(cut, len(rows)) for cut in cuts), len(rows)})
    pieces = [whole.slice(a, b - a) for a, b in itertools.pairwise(bounds)]
    assert _written(folder, [whole], declared) == _written(folder, pieces, declared)


def test_what_lies_under_a_null_does_not_reach_an_arrow_file(tmp_path):
    declared = table(column("n", pa.int64(), "A number."), format="arrow")
    for name, hidden in (("a", 1), ("b", 2)):
        (tmp_path / name).mkdir()
        values = pa.array(np.array([5, hidden]), mask=np.array([False, True]))
        _written(tmp_path / name, [pa.RecordBatch.from_arrays([values], schema=declared.schema)], declared)
    assert (tmp_path / "a" / "out.arrow").read_bytes() == (tmp_path / "b" / "out.arrow").read_bytes()
    assert open_arrow(tmp_path / "a" / "out.arrow").column("n").to_pylist() == [5, None]


def test_a_row_group_ends_at_its_rows_or_at_its_bytes(tmp_path):
    texts = ["x" * 99, "y", "z" * 500, *["s"] * 10]
    batch = pa.RecordBatch.from_pylist([{"n": i, "text": text} for i, text in enumerate(texts)], schema=ROWS.schema)
    _written(tmp_path, [batch])
    assert [group.num_rows for group in read_batches(tmp_path / "out.parquet")] == [2, 1, 7, 3]


def test_a_batch_with_other_columns_is_refused_with_their_names(tmp_path):
    with TableWriter(tmp_path / "out.parquet", ROWS) as writer:
        with pytest.raises(ValueError, match=r"missing \['text'\], not declared \['txt'\]"):
            writer.write(pa.RecordBatch.from_pylist([{"n": 1, "txt": "a"}]))
        with pytest.raises(ValueError, match="column 'n'"):
            writer.write(pa.RecordBatch.from_pylist([{"n": "many", "text": "a"}]))


NESTED = table(
    column("word", pa.string(), "A string."),
    column("raw", pa.binary(), "Bytes."),
    column("names", pa.list_(pa.string()), "Strings."),
    column("pairs", pa.large_list(pa.struct([("name", pa.large_string()), ("number", pa.int32())])), "Structs."),
    column("fixed", pa.list_(pa.uint16(), 3), "Three numbers."),
    column("about", pa.struct([("title", pa.string()), ("tags", pa.list_(pa.int64()))]), "A struct with a list."),
    column("number", pa.int64(), "Of one width: not counted."),
    group_bytes=60,
)
SMALL = st.text("abcé", max_size=9)
NESTED_ROWS = st.fixed_dictionaries(
    {
        "word": st.none() | SMALL,
        "raw": st.none() | st.binary(max_size=9),
        "names": st.none() | st.lists(st.none() | SMALL, max_size=4),
        "pairs": st.none()
        | st.lists(
            st.none() | st.fixed_dictionaries({"name": st.none() | SMALL, "number": st.integers(0, 9)}), max_size=3
        ),
        "fixed": st.none() | st.lists(st.integers(0, 9), min_size=3, max_size=3),
        "about": st.none()
        | st.fixed_dictionaries({"title": SMALL, "tags": st.none() | st.lists(st.integers(0, 9), max_size=3)}),
        "number": st.none() | st.integers(0, 9),
    }
)


def counted(row: dict) -> int:
    """The bytes of a row, in plain Python."""

    def text(value: str | None) -> int:
        return len(value.encode()) if value is not None else 0

    return (
        text(row["word"])
        + len(row["raw"] or b"")
        + sum(map(text, row["names"] or []))
        + sum(text(pair["name"]) + 4 for pair in row["pairs"] or [] if pair is not None)
        + (6 if row["fixed"] is not None else 0)
        + (text(row["about"]["title"]) + 8 * len(row["about"]["tags"] or []) if row["about"] is not None else 0)
    )


@given(rows=st.lists(NESTED_ROWS, max_size=20), start=st.integers(0, 5))
def test_all_strings_lists_and_structs_count_toward_a_row_group(tmp_path_factory, rows, start):
    """Also where a batch is a slice of another; a group ends with the row that reaches the limit."""
    folder = tmp_path_factory.mktemp("nested")
    whole = pa.RecordBatch.from_pylist(rows, schema=NESTED.schema)
    batch, rows = whole.slice(start), rows[start:]
    _written(folder, [batch], NESTED)
    expected, here, size = [], 0, 0
    for row in rows:
        here, size = here + 1, size + counted(row)
        if size >= 60:
            expected.append(here)
            here = size = 0
    expected += [here] if here else []
    assert [group.num_rows for group in read_batches(folder / "out.parquet")] == expected


def test_what_lies_under_a_null_does_not_count_toward_a_row_group(tmp_path):
    declared = table(column("names", pa.list_(pa.string()), "Strings."), group_bytes=10)
    hidden = pa.ListArray.from_arrays(
        pa.array([0, 1, 2, 3], pa.int32()), pa.array(["x" * 9] * 3), mask=pa.array([True, True, False])
    )
    _written(tmp_path, [pa.RecordBatch.from_arrays([hidden], schema=declared.schema)], declared)
    assert [group.num_rows for group in read_batches(tmp_path / "out.parquet")] == [3]
