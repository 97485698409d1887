"""Read conversations: instruction sets of the usual shapes become one table, and every row that does not, a loss.

| shape | columns |
|---|---|
| messages | `messages`: a list of {role, content}; content is text, or parts of which those of type "text" count |
| ShareGPT | `conversations`: a list of {from, value} |
| Alpaca | `instruction`, `input` (may be empty), `output`; `system` if there is one |
| pairs | `prompt` and `response` (or `completion`); `question` and `answer` |

A conversation is an optional system message, then user and assistant in turn, beginning with the user. What the user
says last, without an answer, stays: it teaches nothing and is not hidden. Tools are not understood yet: such a
conversation is a loss, by name, and never one with holes.

Held out is what a hash of the words before the first answer says: the same question never stands on both sides.
"""

import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field

from storage.artifact import MAIN_TABLE, Artifact
from storage.commit import ShardOutput
from storage.schemas.conversations import CONVERSATIONS
from storage.schemas.documents import LOSSES
from tasks.config import StageConfig
from tasks.executor import Watch
from tasks.rows import Row, Unusable, count_rows, find, find_word, is_text, plan_files, read_into, row_id
from tasks.stage import Inputs, Shard, Stage

Message = dict[str, str]

ROLES = {
    "system": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
}
"""What the roles are called elsewhere (ShareGPT, OpenAssistant, Gemma)."""

ConversationField = Literal["messages", "system", "prompt", "input", "response", "license", "id", "carrier"]
COMMON_NAMES: dict[ConversationField, tuple[str, ...]] = {
    "messages": ("messages", "conversations", "conversation"),
    "system": ("system", "system_prompt"),
    "prompt": ("instruction", "prompt", "question"),
    "input": ("input",),
    "response": ("output", "response", "completion", "answer"),
    "license": ("license", "licence", "metadata.license"),
    "id": ("id", "conversation_id", "uuid"),
    "carrier": ("carrier", "metadata.carrier"),
}
"""Where each field is looked for, in this order, if the configuration does not say."""


class ConversationLoss(StrEnum):
    """Why a row is no conversation. What could not be read at all has a reason of extraction's."""

    BAD_ROW = "bad row"
    BAD_ENCODING = "bad encoding"
    TOO_LARGE = "too large"
    NO_ANSWER = "no answer"
    """Nothing that the assistant says."""
    EMPTY_TURN = "empty turn"
    UNKNOWN_ROLE = "unknown role"
    """A tool's turn, or another role than system, user and assistant."""
    ROLE_ORDER = "role order"
    """Two turns of the same role, an assistant who begins, a system message in the middle."""


class ConversationsConfig(StageConfig):
    """How rows are read and which are held out."""

    held_out_share: float = Field(default=0.05, ge=0, lt=1, description="Share of the questions kept from fine-tuning.")
    max_bytes: int = Field(
        default=1 << 20, gt=0, description="UTF-8 bytes of a conversation's contents; longer ones are losses."
    )
    fields: dict[ConversationField, str] = Field(
        default={},
        description="Columns, from our name to theirs, with dots into objects. Others are found by common names.",
    )


def read_conversation(values: Mapping[str, Any], config: ConversationsConfig) -> list[Message]:
    """The messages of one row: role and content, contents stripped of white space at both ends.

    Raises: Unusable, with one of ConversationLoss, if the row is no conversation.
    """
    listed = find(values, _names("messages", config))
    messages = _flat(values, config) if listed is None else [_message(one) for one in _checked_list(listed)]
    roles = [message["role"] for message in messages]
    for number, message in enumerate(messages):
        if not message["content"]:
            raise Unusable(ConversationLoss.EMPTY_TURN, f"turn {number} ({message['role']}) has no text")
        if not is_text(message["content"]):
            raise Unusable(ConversationLoss.BAD_ENCODING, f"turn {number} holds half a surrogate pair")
    if "assistant" not in roles:
        raise Unusable(ConversationLoss.NO_ANSWER, f"{len(roles)} turns, none of the assistant")
    spoken = roles[1:] if roles[0] == "system" else roles
    wrong = spoken[0] != "user" or "system" in spoken or any(first == second for first, second in pairwise(spoken))
    if wrong:
        raise Unusable(ConversationLoss.ROLE_ORDER, ", ".join(roles[:12]))
    size = sum(len(message["content"].encode()) for message in messages)
    if size > config.max_bytes:
        raise Unusable(ConversationLoss.TOO_LARGE, f"{size} bytes")
    return messages


def _names(field: ConversationField, config: ConversationsConfig) -> Sequence[str]:
    return (config.fields[field],) if field in config.fields else COMMON_NAMES[field]


def _checked_list(listed: object) -> list[Any]:
    if not isinstance(listed, list):
        raise Unusable(ConversationLoss.BAD_ROW, f"the messages are a {type(listed).__name__}, not a list")
    if not listed:
        raise Unusable(ConversationLoss.NO_ANSWER, "no turns")
    return listed


def _message(turn: object) -> Message:
    if not isinstance(turn, Mapping):
        raise Unusable(ConversationLoss.BAD_ROW, f"a turn is a {type(turn).__name__}, not an object")
    role = find(turn, ("role", "from"))
    if not isinstance(role, str) or role not in ROLES:
        raise Unusable(ConversationLoss.UNKNOWN_ROLE, _shown(role) if isinstance(role, str) else "none")
    return {"role": ROLES[role], "content": _content(find(turn, ("content", "value")))}


def _shown(kind: object) -> str:
    """What a row calls a kind or role, short, and always text: JSON may hold half a surrogate pair."""
    return str(kind)[:40].encode(errors="replace").decode()


def _content(content: object) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content.strip()
    if not isinstance(content, list):
        raise Unusable(ConversationLoss.BAD_ROW, f"a content is a {type(content).__name__}, not a text")
    texts = []
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        text = find(part, ("text", "value")) if isinstance(part, Mapping) else None
        if kind != "text" or not isinstance(text, str):
            raise Unusable(ConversationLoss.BAD_ROW, f"a part of a content is of type {_shown(kind)}, not text")
        texts.append(text)
    return "".join(texts).strip()


def _flat(values: Mapping[str, Any], config: ConversationsConfig) -> list[Message]:
    prompt, given, response, system = (
        find(values, _names(field, config)) for field in ("prompt", "input", "response", "system")
    )
    if prompt is None and response is None:
        wanted = "`messages`, `conversations`, `instruction`, `prompt` or `question`"
        raise Unusable(ConversationLoss.BAD_ROW, f"none of {wanted}: name the columns under `fields`")
    if response is None:
        raise Unusable(ConversationLoss.NO_ANSWER, f"no {' or '.join(_names('response', config))}")
    question = "\n\n".join(text for text in (_content(prompt), _content(given)) if text)
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": _content(response)}]
    if instructions := _content(system):
        messages.insert(0, {"role": "system", "content": instructions})
    return messages


def hash_messages(messages: Sequence[Message]) -> str:
    """128-bit hash of roles and contents with white space collapsed, 32 hexadecimal characters."""
    said = "".join(f"{one['role']}\x1f{' '.join(one['content'].split())}\x1e" for one in messages)
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def split_of(messages: Sequence[Message], held_out_share: float) -> str:
    """`train` or `held-out`: a pure function of what stands before the first answer."""
    first = next(number for number, message in enumerate(messages) if message["role"] == "assistant")
    return "held-out" if int(hash_messages(messages[:first])[:13], 16) / 16**13 < held_out_share else "train"


def _plan(inputs: Inputs, config: ConversationsConfig) -> list[Shard]:
    (snapshot,) = inputs["snapshot"]
    return plan_files(snapshot)


def _work(shard: Shard, config: ConversationsConfig, output: ShardOutput, watch: Watch) -> None:
    """One row for each conversation of a file, and one loss for each row that is none."""
    # a limit for the line: the contents, and as much again for escapes, names and what is not read
    limit = 4 * config.max_bytes + (1 << 16)
    read_into(shard, output, watch, CONVERSATIONS, lambda row: _columns(row, config, shard.content), limit)


def _columns(row: Row, config: ConversationsConfig, about: Mapping[str, Any]) -> dict[str, Any]:
    messages = read_conversation(row.values, config)
    return {
        "conversation_id": row_id(about["source"], about["sha256"], row.place),
        "record_id": find_word(row.values, _names("id", config)),
        "license": find_word(row.values, _names("license", config)) or about["license"],
        "carrier": find_word(row.values, _names("carrier", config)),
        "content_hash": hash_messages(messages),
        "split": split_of(messages, config.held_out_share),
        "turns": sum(message["role"] == "assistant" for message in messages),
        "messages": messages,
    }


def summarise(artifact: Artifact) -> list[dict[str, Any]]:
    """Conversations by source and split, and losses by reason: rows of (source, what, rows)."""
    return count_rows(artifact, "split")


read_conversations = Stage(
    "conversations",
    2,
    "conversations",
    ConversationsConfig,
    {MAIN_TABLE: CONVERSATIONS, "losses": LOSSES},
    _plan,
    _work,
    unit="rows",
    summary=summarise,
    forgets=True,
)
