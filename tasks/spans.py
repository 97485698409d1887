"""Spans of several columns become the edits of one text, and edits become the composed text.

A span says which characters (Unicode code points), never what they are. Removal wins over redaction: of a stretch that
is to be redacted, what is also removed is gone; the mark stands where its first remaining character stood. Stretches to
be redacted that overlap each other share one mark, that of the first (the longer one where two start together).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Edit(NamedTuple):
    """A stretch of a text and what stands for it: a mark, or nothing (None)."""

    start: int
    end: int
    mark: str | None


class SpanError(ValueError):
    """A span that is not within its text."""


def merge(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same characters as sorted stretches of which none overlap or touch."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def resolve(
    length: int,
    removed: Mapping[str, Sequence[Mapping]],
    redacted: Mapping[str, Sequence[Mapping]],
    marks: Mapping[str, str],
) -> list[Edit]:
    """The edits of a text of `length` characters, sorted, none overlapping.

    Args: `removed` and `redacted` the spans (start, end, kind) by the name of their column; `marks` what stands for a
    redacted stretch of each kind; other kinds stay as they are.
    Raises: SpanError, with the column, for a span that is empty or not within the text.
    """
    for name, spans in (*removed.items(), *redacted.items()):
        for span in spans:
            if not 0 <= span["start"] < span["end"] <= length:
                raise SpanError(
                    f"{name} has the span {span['start']} to {span['end']} in a text of {length} characters: raise the "
                    "version of its stage when it is mended."
                )
    gone = merge([(span["start"], span["end"]) for spans in removed.values() for span in spans])
    marked = sorted(
        (span["start"], -span["end"], marks[span["kind"]])
        for spans in redacted.values()
        for span in spans
        if span["kind"] in marks
    )
    edits = [Edit(start, end, None) for start, end in gone]
    covered = 0  # characters before it are dealt with by an earlier mark
    place = 0
    open_mark: str | None = None
    for start, negative_end, mark in marked:
        if start >= covered:
            open_mark = mark  # stands for this stretch and for all that overlap it, until it is set
        position, end = max(start, covered), -negative_end
        covered = max(covered, end)
        while position < end:
            while place < len(gone) and gone[place][1] <= position:
                place += 1
            if place < len(gone) and gone[place][0] <= position:
                position = gone[place][1]
                continue
            stop = min(end, gone[place][0]) if place < len(gone) else end
            edits.append(Edit(position, stop, open_mark))
            open_mark, position = None, stop
    return _joined(sorted(edits))


def _joined(edits: Sequence[Edit]) -> list[Edit]:
    """The same with each stretch that nothing stands for joined to the one before it where they touch."""
    joined: list[Edit] = []
    for edit in edits:
        if joined and edit.mark is None and edit.start == joined[-1].end and joined[-1].mark is None:
            joined[-1] = Edit(joined[-1].start, edit.end, None)
        else:
            joined.append(edit)
    return joined


def describe(edits: Sequence[tuple[int, int, str | None]], composed: str) -> dict[str, Any]:
    """Columns of EDITS and EDITED that say what these edits do to a text, and how long the composed one is."""
    return {
        "edits": [{"start": start, "end": end, "kind": mark} for start, end, mark in edits],
        "composed_bytes": len(composed.encode()),
        "removed_characters": sum(end - start for start, end, mark in edits if mark is None),
        "redactions": sum(mark is not None for _, _, mark in edits),
    }


def apply(text: str, edits: Sequence[tuple[int, int, str | None]]) -> str:
    """The text with each stretch replaced by its mark; edits are sorted and do not overlap."""
    pieces: list[str] = []
    last = 0
    for start, end, mark in edits:
        pieces.append(text[last:start])
        if mark is not None:
            pieces.append(mark)
        last = end
    pieces.append(text[last:])
    return "".join(pieces)
