"""Byte-level BPE: trained, loaded; text to token ids and back.

The pre-tokenizer is Qwen2's (its published pattern; NFC before it, bytes after it), which llama.cpp and others know by
name. All 256 bytes are in the vocabulary: every text can be written, and there is no unknown token.

- **Control tokens have the first ids** (0, 1, 2) and are never made from text: `<|endoftext|>` written on a page is
  text. Who builds a conversation puts their ids there (`end_of_text`, `message_start`, `message_end`).
- **Nothing is lost but the normal form**: `decode(encode([text])[0])` is NFC(text). Bits per byte divide by the bytes
  of the text as it was, not of its normal form.
- **Training is deterministic**: pairs of equal count are merged in the order of their ids, so neither threads, nor the
  order of hash tables, nor the order of the texts play a part.
"""

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, trainers

END_OF_TEXT = "<|endoftext|>"
MESSAGE_START = "<|im_start|>"
MESSAGE_END = "<|im_end|>"
CONTROL_TOKENS = (END_OF_TEXT, MESSAGE_START, MESSAGE_END)
SMALLEST_VOCABULARY = len(CONTROL_TOKENS) + 256

# Qwen2's tokenizer.json: the pattern of GPT-4 (cl100k_base) with one digit a token.
QWEN2_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# An encoding in progress holds about a hundred bytes a token: a book is cut into pieces where this changes nothing.
PIECE_CHARACTERS = 1 << 18
BATCH_CHARACTERS = 1 << 20
_LINE_START = re.compile(r"\n(?=\S)")


class NotATokenizer(ValueError):
    """A file that holds no tokenizer that can be used here; the message says why."""


class Tokenizer:
    """Text to token ids and back. Made by `train_tokenizer` or `Tokenizer.load`."""

    def __init__(self, backend: tokenizers.Tokenizer) -> None:
        """Wrap a byte-level BPE of the library `tokenizers`. Raises NotATokenizer if it has no `<|endoftext|>`."""
        backend.encode_special_tokens = True  # else a control token's name on a page becomes the control token
        self._backend = backend
        added = backend.get_added_tokens_decoder()
        self.control = {token.content: number for number, token in added.items() if token.special}
        """Control tokens by their text."""
        if END_OF_TEXT not in self.control:
            raise NotATokenizer(f"This tokenizer has no control token {END_OF_TEXT}: it has {sorted(self.control)}.")

    @classmethod
    def load(cls, path: str | Path) -> "Tokenizer":
        """Read a tokenizer.json. Raises FileNotFoundError, or NotATokenizer with the file and what is wrong."""
        content = Path(path).read_text(encoding="utf-8")
        try:
            return cls(tokenizers.Tokenizer.from_str(content))
        except NotATokenizer as error:
            raise NotATokenizer(f"{path}: {error}") from error
        except Exception as error:  # the library raises nothing narrower
            raise NotATokenizer(f"{path} is no tokenizer.json that can be read: {error}") from error

    def __len__(self) -> int:
        """Size of the vocabulary, control tokens counted in: ids are below it."""
        return self._backend.get_vocab_size()

    @property
    def dtype(self) -> np.dtype:
        """Type of the ids: uint16 where the vocabulary allows, else uint32."""
        return token_dtype(len(self))

    @property
    def end_of_text(self) -> int:
        """Id of `<|endoftext|>`: stands after every document, and is bos, eos and padding."""
        return self.control[END_OF_TEXT]

    @property
    def message_start(self) -> int:
        """Id of `<|im_start|>`. Raises KeyError if the tokenizer has none."""
        return self._control(MESSAGE_START)

    @property
    def message_end(self) -> int:
        """Id of `<|im_end|>`. Raises KeyError if the tokenizer has none."""
        return self._control(MESSAGE_END)

    @property
    def ends(self) -> set[int]:
        """Ids at which a model has said what it has to say: the end of a text, and of a message if there are any."""
        return {self.control[name] for name in (END_OF_TEXT, MESSAGE_END) if name in self.control}

    def _control(self, name: str) -> int:
        if name not in self.control:
            raise KeyError(f"This tokenizer has no {name}, so it can't write conversations; it has {[*self.control]}.")
        return self.control[name]

    def to_json(self) -> str:
        """The content of tokenizer.json: equal tokenizers give equal bytes."""
        return self._backend.to_str(pretty=True) + "\n"

    def settings(self) -> dict[str, Any]:
        """The content of tokenizer_config.json, with which `transformers` loads what `to_json` gives."""
        return {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": END_OF_TEXT,
            "eos_token": END_OF_TEXT,
            "pad_token": END_OF_TEXT,
            "add_bos_token": False,
            "add_eos_token": False,
            "add_prefix_space": False,
            "clean_up_tokenization_spaces": False,
        }

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hash of everything that determines ids, 32 hexadecimal characters."""
        return hashlib.sha256(self._backend.to_str().encode()).hexdigest()[:32]

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The ids of each text, in arrays of `dtype`; no control token is among them, whatever the text says."""
        pieces: list[str] = []
        ends: list[int] = []
        for text in texts:
            pieces += self._pieces(text)
            ends.append(len(pieces))
        encoded: list[np.ndarray] = []
        for batch in _batches(pieces):
            found = self._backend.encode_batch_fast(batch, add_special_tokens=False)
            encoded += [np.array(one.ids, self.dtype) for one in found]
        starts = [0, *ends]
        return [np.concatenate(encoded[start:end]) for start, end in zip(starts, ends, strict=False)]

    def _pieces(self, text: str) -> list[str]:
        """The text, cut where no token can cross: between a line end and what is no white space, for Qwen2's pattern.

        There a pre-token always ends (only its fourth and fifth alternative hold line ends, and both hold nothing but
        white space after one), no look-ahead sees farther, and no character composes with a line end in NFC.
        """
        if len(text) <= PIECE_CHARACTERS or not self._is_qwen2:
            return [text]
        cuts = [0]
        while (found := _LINE_START.search(text, cuts[-1] + PIECE_CHARACTERS - 1)) is not None:
            cuts.append(found.end())
        return [text[start:end] for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True)]

    @functools.cached_property
    def _is_qwen2(self) -> bool:
        ours, theirs = json.loads(_untrained().to_str()), json.loads(self._backend.to_str())
        return all(ours[part] == theirs[part] for part in ("normalizer", "pre_tokenizer"))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of these ids; control tokens as their names, broken UTF-8 as U+FFFD.

        Raises IndexError for an id that is not in the vocabulary.
        """
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of these ids: for text that is not whole yet. Raises IndexError as `decode` does."""
        table = self._token_bytes
        return b"".join(table[number] for number in ids)

    def byte_lengths(self) -> np.ndarray:
        """How many bytes of text each token stands for, int64 [vocabulary]; 0 for control tokens."""
        lengths = np.array([len(one) for one in self._token_bytes], np.int64)
        lengths[list(self.control.values())] = 0
        return lengths

    @functools.cached_property
    def _token_bytes(self) -> list[bytes]:
        alphabet = _byte_of_character()
        added = {number: token.content for number, token in self._backend.get_added_tokens_decoder().items()}
        found = []
        for number in range(len(self)):
            token = self._backend.id_to_token(number)
            if number in added:
                found.append(added[number].encode())
            elif token is None:
                found.append(b"")  # a gap in the ids of a tokenizer that others made
            else:
                found.append(bytes(alphabet[character] for character in token))
        return found


def train_tokenizer(texts: Iterable[str], vocabulary_size: int, min_frequency: int = 2) -> Tokenizer:
    """Learn a byte-level BPE (Sennrich et al. 2016, on bytes as in GPT-2) with at most `vocabulary_size` tokens.

    Fewer come out if the texts hold no more pairs that stand in them `min_frequency` times. Control tokens have the ids
    0, 1, 2, the bytes the next 256. Memory grows with the number of different words, not with the texts.

    Raises ValueError if the vocabulary can't hold the control tokens and the bytes.
    """
    if vocabulary_size < SMALLEST_VOCABULARY:
        raise ValueError(f"A vocabulary of {vocabulary_size} can't hold all bytes: it needs {SMALLEST_VOCABULARY}.")
    backend = _untrained()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        min_frequency=min_frequency,
        special_tokens=[AddedToken(name, special=True, normalized=False) for name in CONTROL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer=trainer)
    return Tokenizer(backend)


def token_dtype(vocabulary_size: int) -> np.dtype:
    """The narrowest of uint16 and uint32 that holds every id of a vocabulary of this size."""
    return np.dtype(np.uint16 if vocabulary_size <= 1 << 16 else np.uint32)


def _untrained() -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer(models.BPE())
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    return backend


def _batches(pieces: Sequence[str]) -> Iterable[Sequence[str]]:
    """Neighbouring pieces together, until they have `BATCH_CHARACTERS`."""
    start = characters = 0
    for number, piece in enumerate(pieces):
        if number > start and characters + len(piece) > BATCH_CHARACTERS:
            yield pieces[start:number]
            start, characters = number, 0
        characters += len(piece)
    if start < len(pieces):
        yield pieces[start:]


@functools.cache
def _byte_of_character() -> dict[str, int]:
    """GPT-2's alphabet: Latin-1's printable bytes stand for themselves, the others for what follows U+00FF."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + place): byte for place, byte in enumerate(others)}
