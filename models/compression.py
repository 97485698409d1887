"""How many bits a text takes: under a decoder, under unigram models, under xz.

A model that gives a text the probability p can write it in -log2 p bits (Shannon 1948). Divided by the bytes of the
text, that compares models with different tokenizers, and with compressors (Gao et al. 2020, The Pile, section 3.1).
"""

import lzma
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from models.decoder import Decoder
from models.scoring import continuation_log_probability
from models.tokenizer import Tokenizer

PAIRS_AT_ONCE = 512


def slide(prompt: np.ndarray, ids: np.ndarray, context: int, stride: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs (what is seen, what is scored) that together score each of `ids` once, none with less than there is to see.

    The first pair scores as many as the context holds; each further one `stride` tokens, which see at least
    `context + 1 - stride` before them. A prompt comes whole: the scorer drops what is too long from its start.

    Raises: ValueError if the stride is not between 1 and the context.
    """
    if not 1 <= stride <= context:
        raise ValueError(f"The stride is {stride}; it must be between 1 and the context of {context}.")
    whole = np.concatenate([prompt, ids])
    start, end = len(prompt), len(prompt) + min(len(ids), context)
    while start < end:
        yield whole[max(0, end - context - 1) : start], whole[start:end]
        start, end = end, min(end + stride, len(whole))


def sequence_log_probability(
    decoder: Decoder,
    prompts: Sequence[np.ndarray],
    sequences: Sequence[np.ndarray],
    stride: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """log P(sequence | prompt), nats, float64 [n]; sequences may be longer than the context: windows slide over them.

    Args: token ids, a prompt has at least one; `stride` as in `slide`, half the context if it is None; `progress` is
    called with the number of sequences done.
    """
    context = decoder.config.context_length
    found = np.zeros(len(sequences))
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    owners: list[int] = []
    for number, (prompt, ids) in enumerate(zip(prompts, sequences, strict=True)):
        fresh = list(slide(prompt, ids, context, stride or max(1, context // 2)))
        pairs += fresh
        owners += [number] * len(fresh)
        if len(pairs) >= PAIRS_AT_ONCE or number == len(sequences) - 1:
            scores = continuation_log_probability(decoder, [seen for seen, _ in pairs], [scored for _, scored in pairs])
            np.add.at(found, owners, scores.astype(np.float64))
            pairs, owners = [], []
            if progress:
                progress(number + 1)
    return found


def unigram_bits(counts: np.ndarray, control: Sequence[int] = ()) -> np.ndarray:
    """Bits of each token under a unigram model: -log2 of its share of `counts` (int64 [V]), each plus one (Laplace).

    Tokens in `control` are none of text: they take no probability from the others, and infinitely many bits.
    """
    smoothed = counts.astype(np.float64) + 1.0
    smoothed[list(control)] = 0.0
    with np.errstate(divide="ignore"):
        return -np.log2(smoothed / smoothed.sum())


def byte_counts(tokenizer: Tokenizer, counts: np.ndarray) -> np.ndarray:
    """How often each byte stands in a text whose tokens have these `counts` (int64 [V]): int64 [256]."""
    found = np.zeros(256, np.int64)
    control = set(tokenizer.control.values())
    for number in np.flatnonzero(counts):
        if number not in control:
            inside = np.frombuffer(tokenizer.decode_bytes([int(number)]), np.uint8)
            found += np.bincount(inside, minlength=256) * int(counts[number])
    return found


def xz_bits(content: bytes) -> int:
    """Bits of the file that `xz -9` makes of `content`, headers and checksum counted in."""
    return 8 * len(lzma.compress(content, preset=9))


def xz_bits_each(contents: Sequence[bytes], threads: int) -> list[int]:
    """The same for each of many, several at once (the library lets other threads run). Each takes 40 ms to start."""
    with ThreadPoolExecutor(max_workers=threads) as pool:
        return list(pool.map(xz_bits, contents))


def ratio_error(amounts: np.ndarray, sizes: np.ndarray) -> float | None:
    """Standard error of sum(amounts) / sum(sizes) over independent items (ratio estimator; Cochran 1977, section 6.4).

    None for fewer than two items.
    """
    n, total = len(amounts), float(sizes.sum())
    if n < 2 or total == 0:
        return None
    left = amounts - sizes * (float(amounts.sum()) / total)
    return math.sqrt(n / (n - 1) * float(left @ left)) / total
