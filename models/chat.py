"""Conversations as tokens: ChatML as text (a Jinja template for the export), and as ids with the assistant's marked.

    <|im_start|>user
    What does the miller grind?<|im_end|>
    <|im_start|>assistant
    Grain.<|im_end|>

Contents are stripped of white space at both ends. With that, a token never crosses from a role's line into a content:
the line ends in a line end, the content begins with none, and byte-level BPE patterns end a pre-token there. So the
contents are encoded by themselves; the ids equal those of the whole text (a test holds both against `transformers`).
Unlike there, `<|im_end|>` written in a content is text: a message can't end itself, or speak as another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jinja2
import numpy as np

from models.tokenizer import Tokenizer

CHAT_TEMPLATE = """\
{%- for message in messages -%}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""
"""The template in the form that `tokenizer_config.json` takes."""

Messages = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class EncodedChat:
    """A conversation as tokens.

    `ids`: int64 [T]. `said`: bool [T], true for the tokens that the assistant produces: each of its contents with the
    `<|im_end|>` after it. What it is given (roles, questions, line ends) is false.
    """

    ids: np.ndarray
    said: np.ndarray


def render_chat(messages: Messages, add_generation_prompt: bool = False) -> str:
    """The conversation as text, for people: the tokens come from `encode_chats`."""
    environment = jinja2.Environment(autoescape=False, undefined=jinja2.StrictUndefined)
    return environment.from_string(CHAT_TEMPLATE).render(messages=messages, add_generation_prompt=add_generation_prompt)


def encode_chats(tokenizer: Tokenizer, chats: Sequence[Messages]) -> list[EncodedChat]:
    """Each conversation as tokens; all contents are encoded together, which is what makes it quick.

    Raises: KeyError if the tokenizer has no `<|im_start|>` and `<|im_end|>`.
    """
    start, end = tokenizer.message_start, tokenizer.message_end
    roles = sorted({message["role"] for chat in chats for message in chat})
    ids_of_role = dict(zip(roles, tokenizer.encode([f"{role}\n" for role in roles]), strict=True))
    contents = iter(tokenizer.encode([message["content"].strip() for chat in chats for message in chat]))
    (line_end,) = tokenizer.encode(["\n"])
    encoded = []
    for chat in chats:
        pieces: list[np.ndarray] = []
        said: list[np.ndarray] = []
        for message in chat:
            content = next(contents)
            head = np.concatenate([[start], ids_of_role[message["role"]]])
            pieces += [head, content, np.array([end]), line_end]
            spoken = np.full(len(content) + 1, message["role"] == "assistant")
            said += [np.zeros(len(head), bool), spoken, np.zeros(len(line_end), bool)]
        ids = np.concatenate(pieces).astype(np.int64) if pieces else np.zeros(0, np.int64)
        encoded.append(EncodedChat(ids, np.concatenate(said) if said else np.zeros(0, bool)))
    return encoded


def encode_prompt(tokenizer: Tokenizer, messages: Messages) -> np.ndarray:
    """The conversation so far and the head of the assistant's turn: what generation goes on from. int64 [T]."""
    (chat,) = encode_chats(tokenizer, [messages])
    (head,) = tokenizer.encode(["assistant\n"])
    return np.concatenate([chat.ids, [tokenizer.message_start], head]).astype(np.int64)
