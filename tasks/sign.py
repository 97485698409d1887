"""Sign: what tells two documents to be copies, or nearly so.

One row per document, and nothing decided: the content hash (exact copies), the MinHash signature (estimated Jaccard
similarity) and the keys of its bands (candidates for near duplicates). Who stays is decided later, among the documents
that pass everything else.

| column | type | what |
|---|---|---|
| `content_hash` | string | the first 128 bits of SHA-256, in hexadecimal, of the text after `normalise` |
| `n_shingles` | int32 | n-grams, repeats counted; 1 for a text shorter than one, 0 without words |
| `signature` | uint64[bands * rows] | MinHash (Broder 1997), datasketch's scheme `affine64`; null without words |
| `buckets` | uint64[bands] | a hash of each band's values (LSH; Indyk and Motwani 1998); null without words |
| `shingles` | list<uint64> | with `shingles: true`: the different shingles, hashed, ascending; null without words |
| `simhash` | uint64 | with `simhash: true`: SimHash (Charikar 2002) of shingles of `simhash_ngram` words |

Scheme and seed stand in the artifact's configuration, and in the description of `signature` that its files carry.

**Words** are those of `tasks.words`: of the normalised text, in lower case; each letter where a script has no spaces,
so that similarity comes out a little higher there, while the order of documents by similarity stays. With
`unit: characters` shingles are runs of characters of the normalised text in lower case, signs and spaces too. The
defaults are FineWeb's (Penedo et al. 2024, section 3.4: 5-grams of words, 14 bands of 8 rows, which pair two texts
with probability 1 - (1 - s^8)^14).
"""

import functools
import hashlib
import unicodedata
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import Field

from storage.table import Table, column, table
from tasks.config import StageConfig
from tasks.stage import stage
from tasks.words import forms, hash_normal_characters, hash_normal_words, room, utf8


class SignConfig(StageConfig):
    """What is hashed and how. The permutations follow from `scheme`, `seed` and the number of values, bands * rows."""

    ngram: Annotated[int, Field(ge=1, le=100, description="Words, or characters, in a shingle.")] = 5
    unit: Annotated[
        Literal["words", "characters"],
        Field(description="What a shingle is made of: words, or characters of the text with white space made one."),
    ] = "words"
    bands: Annotated[
        int, Field(ge=1, le=1000, description="Bands of the signature: a pair is found if one agrees.")
    ] = 14
    rows: Annotated[int, Field(ge=1, le=1000, description="Values in a band, all of which must agree.")] = 8
    seed: Annotated[int, Field(ge=0, lt=2**32, description="Seed of the permutations.")] = 1
    scheme: Annotated[Literal["affine64"], Field(description="datasketch's name of the permutations' form.")] = (
        "affine64"
    )

    shingles: Annotated[
        bool, Field(description="Keep the hashed shingles themselves, for decide.duplicates.min_exact_jaccard.")
    ] = False
    simhash: Annotated[bool, Field(description="Keep a simhash too, for decide.duplicates.simhash.")] = False
    simhash_ngram: Annotated[int, Field(ge=1, le=100, description="Words in a shingle of the simhash.")] = 2

    @property
    def n_values(self) -> int:
        """Values in a signature."""
        return self.bands * self.rows


@functools.cache
def permutations(n_values: int, seed: int, scheme: Literal["affine64"]) -> np.ndarray:
    """datasketch's permutations, (2, n_values) uint64: odd multipliers and summands. A function of the seed alone."""
    from datasketch import MinHash

    return np.ascontiguousarray(MinHash(num_perm=n_values, seed=seed, scheme=scheme).permutations, dtype=np.uint64)


def normalise(text: str) -> str:
    """NFC, each run of white space one space, ends stripped: what `content_hash` calls the same text."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def hash_content(normalised: str) -> str:
    """The first 128 bits of SHA-256 of a normalised text, as 32 hexadecimal characters."""
    return hashlib.sha256(normalised.encode("utf-8")).hexdigest()[:32]


def sign_words(words: np.ndarray, word_offsets: np.ndarray, config: SignConfig) -> np.ndarray:
    """MinHash signatures from hashed words, (n, bands * rows) uint64; rows of documents without words are zero.

    Equal, value for value, to datasketch's `MinHash(num_perm=bands * rows, seed=seed, scheme=scheme)` updated with the
    same shingle hashes.
    """
    from tasks import sign_kernels

    signatures = room((len(word_offsets) - 1) * config.n_values, np.uint64).reshape(-1, config.n_values)
    chosen = permutations(config.n_values, config.seed, config.scheme)
    sign_kernels.sign_words(words, word_offsets, config.ngram, chosen, signatures)
    return signatures


def hash_bands(signatures: np.ndarray, config: SignConfig) -> np.ndarray:
    """Bucket keys of signatures, (n, bands) uint64: documents that agree in a whole band share that band's key."""
    from tasks import sign_kernels

    buckets = room(len(signatures) * config.bands, np.uint64).reshape(-1, config.bands)
    sign_kernels.hash_bands(signatures, config.rows, buckets)
    return buckets


def sign_documents(documents: pa.RecordBatch, config: SignConfig) -> pa.RecordBatch:
    """Content hash, signature and bucket keys of each document (columns and their meaning: the module's table).

    Args: `documents` has a column `text` without nulls (string or large_string).
    Raises: ValueError where a text is null.
    """
    column = documents.column("text")
    if column.null_count:
        raise ValueError(
            f"sign was given {column.null_count} documents without text; documents without text are not signed."
        )
    texts = normalise_all(column)
    words = hash_units(texts, "words") if config.unit == "words" or config.simhash else None
    units, offsets = words if words and config.unit == "words" else hash_units(texts, config.unit)
    n_units = np.diff(offsets)
    signatures = sign_words(units, offsets, config)
    buckets = hash_bands(signatures, config)
    empty = n_units == 0
    buckets[empty] = 0
    n_shingles = np.where(empty, 0, np.maximum(1, n_units - config.ngram + 1)).astype(np.int32)
    return pa.RecordBatch.from_pydict(
        {
            "content_hash": hash_contents(texts),
            "n_shingles": pa.array(n_shingles),
            "signature": _fixed_lists(signatures, empty),
            "buckets": _fixed_lists(buckets, empty),
        }
        | _asked_for(units, offsets, words, config)
    )


class NormalTexts(NamedTuple):
    """n texts as `normalise` gives them: `text` UTF-8 (uint8), in which text i lies from `begins[i]` to `stops[i]`."""

    text: np.ndarray
    begins: np.ndarray
    stops: np.ndarray


def normalise_all(column: pa.Array) -> NormalTexts:
    """`normalise` of every text of a string column without nulls.

    The UTF-8 is copied by a compiled loop; Python sees only texts in which some character may change with what stands
    beside it.
    """
    from models.block_kernels import BLOCK
    from tasks import word_kernels

    text, offsets = utf8(column)
    n = len(column)
    # bytes that are no UTF-8 may say that a character goes on for three more than a text has
    collapsed = room(int(offsets[-1] - offsets[0]) + 3 * n + BLOCK, np.uint8)
    bounds = np.zeros(n + 1, dtype=np.int64)
    first, last = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    word_kernels.collapse_spaces(text, offsets, forms(), collapsed, bounds, first, last)
    begins, stops = bounds[:-1].copy(), bounds[1:].copy()
    pieces, end = [collapsed], len(collapsed)
    for place in np.flatnonzero(first >= 0).tolist():
        begin = int(begins[place])
        given = collapsed[begin : stops[place]].tobytes()
        composed = _compose(given, int(first[place]) - begin, int(last[place]) - begin)
        if composed != given:
            pieces.append(np.frombuffer(composed, np.uint8))
            begins[place], stops[place] = end, end + len(composed)
            end += len(composed)
    return NormalTexts(np.concatenate(pieces) if len(pieces) > 1 else collapsed, begins, stops)


def _compose(text: bytes, first: int, last: int) -> bytes:
    """A text with blanks for white space in NFC, when only characters from `first` to `last` may change in it.

    NFC joins nothing across a blank, so it is asked of the words there alone: of a long text it takes long.
    """
    start, stop = text.rfind(b" ", 0, first + 1) + 1, text.find(b" ", last)
    stop = len(text) if stop < 0 else stop
    return text[:start] + unicodedata.normalize("NFC", text[start:stop].decode("utf-8")).encode("utf-8") + text[stop:]


def hash_units(texts: NormalTexts, unit: Literal["words", "characters"]) -> tuple[np.ndarray, np.ndarray]:
    """What a shingle is made of, hashed in lower case: uint64, and where each text starts among them (n + 1, int64)."""
    if unit == "characters":
        return hash_normal_characters(*texts)
    words = hash_normal_words(*texts)
    return words.hashes, words.offsets


def hash_contents(texts: NormalTexts) -> pa.Array:
    """`hash_content` of every text."""
    view, spans = memoryview(texts.text.data), zip(texts.begins.tolist(), texts.stops.tolist(), strict=True)
    return pa.array([hashlib.sha256(view[start:stop]).hexdigest()[:32] for start, stop in spans], pa.string())


def _asked_for(
    units: np.ndarray, offsets: np.ndarray, words: tuple[np.ndarray, np.ndarray] | None, config: SignConfig
) -> dict[str, pa.Array]:
    """The columns that a configuration asks for beside the usual ones, null without words: shingles of its units, and a
    simhash of its words.
    """
    found: dict[str, pa.Array] = {}
    if not (config.shingles or config.simhash):
        return found
    from tasks import sets_kernels

    if config.shingles:
        values, bounds = np.empty(len(units), dtype=np.uint64), np.empty(len(offsets), dtype=np.int64)
        n_values = sets_kernels.shingle_sets(units, offsets, config.ngram, values, bounds)
        found["shingles"] = pa.ListArray.from_arrays(
            pa.array(bounds, pa.int32()), pa.array(values[:n_values]), mask=pa.array(np.diff(offsets) == 0)
        )
    if config.simhash and words is not None:
        hashes, starts = words
        simhashes = np.empty(len(starts) - 1, dtype=np.uint64)
        sets_kernels.simhash_words(hashes, starts, config.simhash_ngram, simhashes)
        found["simhash"] = pa.array(simhashes, mask=np.diff(starts) == 0)
    return found


def _fixed_lists(matrix: np.ndarray, null: np.ndarray) -> Any:
    """An Arrow fixed-size list column whose rows are the matrix's, null where `null`."""
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1], mask=pa.array(null))


def signatures_table(config: SignConfig) -> Table:
    """The columns that `sign_documents` gives under this configuration."""
    shingles = column(
        "shingles", pa.list_(pa.uint64()), "Its different shingles, hashed, ascending: for exact Jaccard similarities."
    )
    simhash = column(
        "simhash", pa.uint64(), f"SimHash (Charikar 2002) of its shingles of {config.simhash_ngram}, repeats counted."
    )
    return table(
        column(
            "content_hash",
            pa.string(),
            "First 128 bits of SHA-256 of the text in NFC, white space collapsed; 32 hexadecimal characters.",
        ),
        column("n_shingles", pa.int32(), f"N-grams of {config.ngram} {config.unit}, repeats counted."),
        column(
            "signature",
            pa.list_(pa.uint64(), config.n_values),
            f"MinHash values (Broder 1997), datasketch's scheme {config.scheme}, seed {config.seed}.",
        ),
        column(
            "buckets",
            pa.list_(pa.uint64(), config.bands),
            "A hash of each band's values: documents that share one are near.",
        ),
        *([shingles] if config.shingles else []),
        *([simhash] if config.simhash else []),
        plain=("signature", "buckets"),
    )


sign = stage("sign", version=5, reads=["text"], writes=signatures_table)(sign_documents)
