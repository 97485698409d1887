"""Read questions with a known answer: multiple-choice sets of the usual shapes become one table, other rows losses.

A row has choices and says which is right. Its context stands before each choice when it is scored; where the choices
stand alone, it is there and empty, for a set whose questions nobody found would be scored all the same.
The choices are a list of texts, or {text: [...], label: [...]}. `gold` is a position from 0 where it is a number; where
it is a text, one of the labels, the words of the right choice, a position, or a letter (A is the first), in this order.
"""

import string
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from storage.artifact import MAIN_TABLE, Artifact
from storage.commit import ShardOutput
from storage.schemas.documents import LOSSES
from storage.schemas.evaluations import QUESTIONS
from tasks.config import StageConfig
from tasks.executor import Watch
from tasks.rows import Row, Unusable, count_rows, find, find_word, is_text, plan_files, read_into, row_id
from tasks.stage import Inputs, Shard, Stage

MOST_CHOICES = 127

QuestionField = Literal["task", "context", "choices", "gold", "license", "id", "carrier"]
COMMON_NAMES: dict[QuestionField, tuple[str, ...]] = {
    "task": ("task",),
    "context": ("context", "ctx", "query", "question.stem", "question", "question_stem", "prompt", "goal"),
    "choices": ("choices", "options", "endings", "question.choices"),
    "gold": ("gold", "label", "answerKey", "answer", "correct"),
    "license": ("license", "licence", "metadata.license"),
    "id": ("id", "question_id", "uuid"),
    "carrier": ("carrier", "metadata.carrier"),
}
"""Where each field is looked for, in this order, if the configuration does not say."""


class QuestionLoss(StrEnum):
    """Why a row is no question. What could not be read at all has a reason of extraction's."""

    BAD_ROW = "bad row"
    BAD_ENCODING = "bad encoding"
    TOO_FEW_CHOICES = "too few choices"
    EMPTY_CHOICE = "empty choice"
    SAME_CHOICE_TWICE = "same choice twice"
    NO_GOLD = "no gold"
    """Nothing says which choice is right, or what says so fits none of them, or more than one."""


class QuestionsConfig(StageConfig):
    """How rows are read."""

    task: str | None = Field(
        default=None, description="Name of the set, for rows that do not say. Null: the source's name."
    )
    fields: dict[QuestionField, str] = Field(
        default={},
        description="Columns, from our name to theirs, with dots into objects. Others are found by common names.",
    )


def read_question(values: Mapping[str, Any], config: QuestionsConfig) -> dict[str, Any]:
    """One row as (context, choices, gold): texts stripped of white space at both ends, gold from 0.

    Raises: Unusable, with one of QuestionLoss, if the row is no question.
    """
    names = _names("context", config)
    if not any(name.split(".")[0] in values for name in names):
        what = f"there is no column {names[0]!r}" if len(names) == 1 else "no column holds the question"
        raise Unusable(
            QuestionLoss.BAD_ROW, f"{what}: name it under `fields.context`; where choices stand alone, leave it empty"
        )
    context = find(values, names)
    if not isinstance(context, str | None):
        raise Unusable(QuestionLoss.BAD_ROW, f"the context is a {type(context).__name__}, not a text")
    choices, labels = _choices(find(values, _names("choices", config)))
    context = (context or "").strip()
    if not all(map(is_text, [context, *choices])):
        raise Unusable(QuestionLoss.BAD_ENCODING, "a text holds half a surrogate pair")
    if not 2 <= len(choices) <= MOST_CHOICES:
        reason = QuestionLoss.TOO_FEW_CHOICES if len(choices) < 2 else QuestionLoss.BAD_ROW
        raise Unusable(reason, f"{len(choices)} choices")
    if not all(choices):
        raise Unusable(QuestionLoss.EMPTY_CHOICE, f"choice {choices.index('')}")
    if len(set(choices)) < len(choices):
        raise Unusable(QuestionLoss.SAME_CHOICE_TWICE, f"{len(choices)} choices, {len(set(choices))} of them different")
    return {
        "context": context,
        "choices": choices,
        "gold": _gold(find(values, _names("gold", config)), choices, labels),
    }


def _names(field: QuestionField, config: QuestionsConfig) -> Sequence[str]:
    return (config.fields[field],) if field in config.fields else COMMON_NAMES[field]


def _choices(given: object) -> tuple[list[str], list[str]]:
    """The texts and their labels (none: an empty list)."""
    texts, labels = (given.get("text"), given.get("label")) if isinstance(given, Mapping) else (given, None)
    if not isinstance(texts, list):
        kind = "missing" if texts is None else f"a {type(texts).__name__}, not a list"
        raise Unusable(QuestionLoss.BAD_ROW, f"the choices are {kind}: name their column under `fields`")
    if texts and all(isinstance(one, Mapping) for one in texts):
        texts, labels = [one.get("text") for one in texts], [one.get("label") for one in texts]
    if not all(isinstance(one, str) for one in texts):
        raise Unusable(QuestionLoss.BAD_ROW, "a choice is not a text")
    known = isinstance(labels, list) and len(labels) == len(texts)
    return [one.strip() for one in texts], [str(one) for one in labels or []] if known else []


def _gold(given: object, choices: Sequence[str], labels: Sequence[str]) -> int:
    if isinstance(given, bool) or not isinstance(given, int | str):
        raise Unusable(QuestionLoss.NO_GOLD, f"the gold answer is a {type(given).__name__}")
    said, positions = str(given).strip(), [str(number) for number in range(len(choices))]
    # a text "1" may be the label of the first choice and the position of the second: so the order matters
    known = (labels, choices, positions, string.ascii_uppercase[: len(choices)])
    for names in (positions,) if isinstance(given, int) else known:
        found = [number for number, name in enumerate(names) if name == said]
        if len(found) == 1:
            return found[0]
        if found:
            raise Unusable(QuestionLoss.NO_GOLD, "the gold answer fits more than one choice")
    raise Unusable(QuestionLoss.NO_GOLD, f"the gold answer is none of the {len(choices)} choices")


def _plan(inputs: Inputs, config: QuestionsConfig) -> list[Shard]:
    (snapshot,) = inputs["snapshot"]
    return plan_files(snapshot)


def _work(shard: Shard, config: QuestionsConfig, output: ShardOutput, watch: Watch) -> None:
    """One row for each question of a file, and one loss for each row that is none."""
    read_into(shard, output, watch, QUESTIONS, lambda row: _columns(row, config, shard.content), 1 << 20)


def _columns(row: Row, config: QuestionsConfig, about: Mapping[str, Any]) -> dict[str, Any]:
    return read_question(row.values, config) | {
        "question_id": row_id(about["source"], about["sha256"], row.place),
        "task": find_word(row.values, _names("task", config)) or config.task or about["source"],
        "record_id": find_word(row.values, _names("id", config)),
        "license": find_word(row.values, _names("license", config)) or about["license"],
        "carrier": find_word(row.values, _names("carrier", config)),
    }


def summarise(artifact: Artifact) -> list[dict[str, Any]]:
    """Questions by source and task, and losses by reason: rows of (source, what, rows)."""
    return count_rows(artifact, "task")


read_questions = Stage(
    "questions",
    3,
    "questions",
    QuestionsConfig,
    {MAIN_TABLE: QUESTIONS, "losses": LOSSES},
    _plan,
    _work,
    unit="rows",
    summary=summarise,
    forgets=True,
)
