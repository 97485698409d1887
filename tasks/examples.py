"""Read labelled examples: rows of a text and a label, for classifiers. A label is a word, or a number.

Rows of a source of positive or negative examples need no label: the recipe says what they are.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from storage.artifact import MAIN_TABLE, Artifact
from storage.commit import ShardOutput
from storage.schemas.classifiers import EXAMPLES
from storage.schemas.documents import LOSSES
from tasks.config import StageConfig
from tasks.executor import Watch
from tasks.rows import Row, Unusable, count_rows, find, find_word, is_text, plan_files, read_into, row_id
from tasks.stage import Inputs, Shard, Stage

ExampleField = Literal["text", "label", "license"]
COMMON_NAMES: dict[ExampleField, tuple[str, ...]] = {
    "text": ("text", "content", "document", "sentence", "comment"),
    "label": ("label", "score", "rating", "class", "target"),
    "license": ("license", "licence", "metadata.license"),
}
"""Where each field is looked for, in this order, if the configuration does not say."""


class ExampleLoss(StrEnum):
    """Why a row is no example. What could not be read at all has a reason of extraction's."""

    BAD_ROW = "bad row"
    BAD_ENCODING = "bad encoding"
    EMPTY_TEXT = "empty text"


class ExamplesConfig(StageConfig):
    """How rows are read."""

    fields: dict[ExampleField, str] = Field(
        default={},
        description="Columns, from our name to theirs, with dots into objects. Others are found by common names.",
    )


def read_example(values: Mapping[str, Any], config: ExamplesConfig) -> dict[str, Any]:
    """One row as (text, label, value).

    Raises: Unusable, with one of ExampleLoss, if the row is no example.
    """
    text, label = (find(values, _names(field, config)) for field in ("text", "label"))
    if not isinstance(text, str):
        raise Unusable(ExampleLoss.BAD_ROW, "there is no text: name its column under `fields.text`")
    if not is_text(text):
        raise Unusable(ExampleLoss.BAD_ENCODING, "the text holds half a surrogate pair")
    if not text.strip():
        raise Unusable(ExampleLoss.EMPTY_TEXT, "the text is white space")
    if label is not None and not isinstance(label, str | int | float | bool):
        raise Unusable(ExampleLoss.BAD_ROW, f"the label is a {type(label).__name__}, neither a word nor a number")
    if isinstance(label, bool):
        label = int(label)
    return {"text": text, "label": None if label is None else str(label).strip(), "value": _number(label)}


def _number(label: object) -> float | None:
    try:
        value = float(label)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return value if abs(value) < 1e300 else None  # neither nan nor infinite


def _names(field: ExampleField, config: ExamplesConfig) -> tuple[str, ...]:
    return (config.fields[field],) if field in config.fields else COMMON_NAMES[field]


def _plan(inputs: Inputs, config: ExamplesConfig) -> list[Shard]:
    (snapshot,) = inputs["snapshot"]
    return plan_files(snapshot)


def _work(shard: Shard, config: ExamplesConfig, output: ShardOutput, watch: Watch) -> None:
    """One row for each example of a file, and one loss for each row that is none."""
    about = shard.content

    def read(row: Row) -> dict[str, Any]:
        return read_example(row.values, config) | {
            "example_id": row_id(about["source"], about["sha256"], row.place),
            "license": find_word(row.values, _names("license", config)) or about["license"],
        }

    read_into(shard, output, watch, EXAMPLES, read, 16 << 20)


def summarise(artifact: Artifact) -> list[dict[str, Any]]:
    """Examples by source and label, and losses by reason: rows of (source, what, rows)."""
    return count_rows(artifact, "label")


read_examples = Stage(
    "examples",
    2,
    "examples",
    ExamplesConfig,
    {MAIN_TABLE: EXAMPLES, "losses": LOSSES},
    _plan,
    _work,
    unit="rows",
    summary=summarise,
    forgets=True,
)
