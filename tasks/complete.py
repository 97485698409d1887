"""Complete: a model goes on from a text, or answers a message, piece by piece as the tokens come."""

import codecs
from collections.abc import Iterator

import torch

from models.formats.checkpoint import load_model
from models.generation import generate
from models.tokenizer import Tokenizer
from storage.artifact import Artifact
from tasks.ancestry import TOKENIZER_FILE, ancestry
from tasks.scores import prompt_tokens
from tasks.stage import StageFailed


class Completer:
    """A model that is loaded once and asked often."""

    def __init__(self, model: Artifact) -> None:
        """Raises StageFailed if the artifact is no model, or one without its tokenizer."""
        self.fine_tuned = ancestry(model).fine_tuned
        self._model = model
        self._decoder = load_model(model.folder)
        self._tokenizer = Tokenizer.load(model.file(TOKENIZER_FILE))

    def complete(
        self,
        prompt: str,
        *,
        max_tokens: int = 100,
        temperature: float = 0.8,
        top_k: int | None = 50,
        seed: int = 0,
        chat: bool = False,
    ) -> Iterator[str]:
        """What follows the prompt, in pieces that are whole characters; equal arguments give equal words.

        Args: `temperature` 0 takes the most probable token each time; `top_k` 0 or None chooses among all; `chat` puts
        the prompt as a user's message.

        Raises: StageFailed if a model that has learned from no conversation is asked to chat; ValueError for numbers
        out of range.
        """
        if chat and not self.fine_tuned:
            raise StageFailed(
                f"{self._model} has learned from no conversation: it continues texts. Leave `--chat` out, or give a "
                "fine-tuned model."
            )
        tokens = generate(
            self._decoder,
            prompt_tokens(self._tokenizer, prompt, chat).tolist(),
            longest=max_tokens,
            temperature=temperature,
            top_k=top_k or None,
            stop=self._tokenizer.ends,
            generator=torch.Generator().manual_seed(seed),
        )
        return self._pieces(tokens)

    def _pieces(self, tokens: Iterator[int]) -> Iterator[str]:
        # a token may end within a character: its first bytes wait for the rest
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        for token in tokens:
            if piece := decoder.decode(self._tokenizer.decode_bytes([token])):
                yield piece
        if rest := decoder.decode(b"", final=True):
            yield rest
