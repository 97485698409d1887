"""Sign: what tells two documents to be copies, or nearly so.

One row per document, and nothing decided: the content hash (exact copies), the MinHash signature (estimated Jaccard
similarity) and the keys of its bands (candidates for near duplicates). Who stays is decided later, among the documents
that pass everything else.

| column | type | what |
|---|---|---|
| `content_hash` | string | BLAKE2b-128, 32 hexadecimal characters, of the text after `normalise` |
| `n_shingles` | int32 | word n-grams, repeats counted; 1 for a text shorter than one, 0 without words |
| `signature` | uint64[bands * rows] | MinHash (Broder 1997), datasketch's scheme `affine64`; null without words |
| `buckets` | uint64[bands] | a hash of each band's values (LSH; Indyk and Motwani 1998); null without words |

**Words** are taken from the normalised text in lower case. A word is a longest run of letters, digits, marks and the
underscore (Unicode categories L*, N*, M*, and `_`). Scripts that put no space between words (Han, kana, Thai, Lao,
Khmer, Burmese) would make one word of a whole clause, and one changed sign would change it: there each letter, with the
marks on it, is a word. So five words are five signs there, a finer shingle than in other scripts; similarity comes out
a little higher, the order of documents by similarity stays. The defaults are FineWeb's (Penedo et al. 2024, section
3.4: 5-grams of words, 14 bands of 8 rows, which pair two texts with probability 1 - (1 - s^8)^14).

The classes of the code points are those of the running Python's Unicode tables: another minor version of Python may
cut words of newly assigned letters in another way.
"""

import functools
import hashlib
import unicodedata
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from storage.table import Table, column, table
from tasks.config import StageConfig
from tasks.stage import stage

# Letters of scripts written without spaces, by Unicode block (first, last code point).
SPACELESS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # ideographic iteration mark, closing mark, number zero
    (0x3021, 0x3029),  # Hangzhou numerals
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # Katakana phonetic extensions
    (0x3400, 0x4DBF),  # CJK extension A
    (0x4E00, 0x9FFF),  # CJK
    (0xA9E0, 0xA9FF),  # Myanmar extended B
    (0xAA60, 0xAA7F),  # Myanmar extended A
    (0xF900, 0xFAFF),  # CJK compatibility
    (0xFF66, 0xFF9F),  # halfwidth Katakana
    (0x1AFF0, 0x1B16F),  # kana extended and supplement
    (0x20000, 0x3FFFF),  # CJK extensions B and later
)
LAST_LETTER = 0x3FFFF  # no letter, digit or mark of a word is assigned past the third ideographic plane


class SignConfig(StageConfig):
    """What is hashed and how. The permutations follow from `scheme`, `seed` and the number of values, bands * rows."""

    ngram: Annotated[int, Field(ge=1, le=100, description="Words in a shingle.")] = 5
    bands: Annotated[
        int, Field(ge=1, le=1000, description="Bands of the signature: a pair is found if one agrees.")
    ] = 14
    rows: Annotated[int, Field(ge=1, le=1000, description="Values in a band, all of which must agree.")] = 8
    seed: Annotated[int, Field(ge=0, lt=2**32, description="Seed of the permutations.")] = 1
    scheme: Annotated[Literal["affine64"], Field(description="datasketch's name of the permutations' form.")] = (
        "affine64"
    )

    @property
    def n_values(self) -> int:
        """Values in a signature."""
        return self.bands * self.rows


@functools.cache
def word_classes() -> np.ndarray:
    """The class of every code point up to LAST_LETTER, uint8: outside, letter, alone, mark (see `sign_kernels`)."""
    from tasks.sign_kernels import ALONE, LETTER, MARK, OUTSIDE

    by_category = {"L": LETTER, "N": LETTER, "M": MARK}
    category = unicodedata.category
    classes = np.array([by_category.get(category(chr(code))[0], OUTSIDE) for code in range(LAST_LETTER + 1)], np.uint8)
    classes[ord("_")] = LETTER
    for first, last in SPACELESS:
        block = classes[first : last + 1]
        block[[category(chr(code))[0] == "L" or code in range(0x3005, 0x302A) for code in range(first, last + 1)]] = (
            ALONE
        )
    return classes


@functools.cache
def permutations(n_values: int, seed: int, scheme: Literal["affine64"]) -> np.ndarray:
    """datasketch's permutations, (2, n_values) uint64: odd multipliers and summands. A function of the seed alone."""
    from datasketch import MinHash

    return np.ascontiguousarray(MinHash(num_perm=n_values, seed=seed, scheme=scheme).permutations, dtype=np.uint64)


def normalise(text: str) -> str:
    """NFC, each run of white space one space, ends stripped: what `content_hash` calls the same text."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def hash_content(normalised: str) -> str:
    """BLAKE2b-128 of a normalised text as 32 hexadecimal characters."""
    return hashlib.blake2b(normalised.encode("utf-8"), digest_size=16).hexdigest()


def hash_words(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Words of normalised texts, hashed.

    Returns: the hashes of all words one after another, uint64, and the offsets (n + 1), int64: document i has
    hashes[offsets[i]:offsets[i + 1]].
    """
    from tasks import sign_kernels

    encoded = [text.lower().encode("utf-8") for text in texts]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    joined = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    hashes = np.empty(len(joined) + 1, dtype=np.uint64)
    word_offsets = np.empty(len(encoded) + 1, dtype=np.int64)
    count = sign_kernels.hash_words(joined, offsets, word_classes(), hashes, word_offsets)
    return hashes[:count], word_offsets


def sign_words(words: np.ndarray, word_offsets: np.ndarray, config: SignConfig) -> np.ndarray:
    """MinHash signatures from hashed words, (n, bands * rows) uint64; rows of documents without words are zero.

    Equal, value for value, to datasketch's `MinHash(num_perm=bands * rows, seed=seed, scheme=scheme)` updated with the
    same shingle hashes.
    """
    from tasks import sign_kernels

    signatures = np.empty((len(word_offsets) - 1, config.n_values), dtype=np.uint64)
    chosen = permutations(config.n_values, config.seed, config.scheme)
    sign_kernels.sign_words(words, word_offsets, config.ngram, chosen, signatures)
    return signatures


def hash_bands(signatures: np.ndarray, config: SignConfig) -> np.ndarray:
    """Bucket keys of signatures, (n, bands) uint64: documents that agree in a whole band share that band's key."""
    from tasks import sign_kernels

    buckets = np.empty((len(signatures), config.bands), dtype=np.uint64)
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
    texts = [normalise(text) for text in column.to_pylist()]
    words, word_offsets = hash_words(texts)
    n_words = np.diff(word_offsets)
    signatures = sign_words(words, word_offsets, config)
    buckets = hash_bands(signatures, config)
    wordless = n_words == 0
    buckets[wordless] = 0
    n_shingles = np.where(wordless, 0, np.maximum(1, n_words - config.ngram + 1)).astype(np.int32)
    return pa.RecordBatch.from_pydict(
        {
            "content_hash": pa.array([hash_content(text) for text in texts], type=pa.string()),
            "n_shingles": pa.array(n_shingles),
            "signature": _fixed_lists(signatures, wordless),
            "buckets": _fixed_lists(buckets, wordless),
        }
    )


def _fixed_lists(matrix: np.ndarray, null: np.ndarray) -> Any:
    """An Arrow fixed-size list column whose rows are the matrix's, null where `null`."""
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1], mask=pa.array(null))


def signatures_table(config: SignConfig) -> Table:
    """The columns that `sign_documents` gives under this configuration."""
    return table(
        column(
            "content_hash",
            pa.string(),
            "BLAKE2b-128 of the text in NFC, white space collapsed; 32 hexadecimal characters.",
        ),
        column("n_shingles", pa.int32(), "Word n-grams, repeats counted."),
        column(
            "signature",
            pa.list_(pa.uint64(), config.n_values),
            "MinHash values (Broder 1997), datasketch's scheme affine64.",
        ),
        column(
            "buckets",
            pa.list_(pa.uint64(), config.bands),
            "A hash of each band's values: documents that share one are near.",
        ),
    )


sign = stage("sign", version=1, reads=["text"], writes=signatures_table)(sign_documents)
