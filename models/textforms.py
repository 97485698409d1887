"""What a text is written in, without a model: the script of its letters, and whether its lines look like source code.

**Script.** Unicode's property Script of each letter (categories L*); Common and Inherited count for none.

**Source code.** A heuristic, with no threshold: the share of non-blank lines that look like code. A line gathers points
and looks like code from two on:

| points | sign |
|---|---|
| 2 | one of `==` `!=` `->` `=>` `::` `&&` `||` `+=` `-=` `();` `){` `) {` `</` `/>` `[]` `{}` `/*` `*/` `:=` `$(` |
| 2 | it ends in `{` or `}`, or in `):` |
| 1 | it ends in `;` |
| 1 | it is indented by a tab, or by two spaces and more |
| 1 | an opening bracket stands right behind a letter, digit or underscore: `call(` |
| 1 | ` = ` |
| 1 | two letters with an underscore or a full stop between them: `snake_case`, `object.name` |
| 1 | it begins as statements do: `def`, `return`, `import`, `const`, `#include`, `//`, `@`, `$` … (STARTS) |

So indented prose (1), a law's line that ends in a semicolon (1) and an address in a sentence (1) are none.
"""

import functools

import numpy as np
import pyarrow as pa

from models.fasttext.inference import utf8

_SCRIPTS = """
    Latn Cyrl Grek Arab Hebr Hani Hira Kana Hang Thai Deva Beng Taml Telu Knda Mlym Gujr Guru Orya Sinh Laoo Khmr Mymr
    Tibt Geor Armn Ethi Mong Cher Cans Thaa Syrc Tfng Nkoo Vaii Olck Mtei Java Bali Sund Bopo Yiii Copt Goth Runr Ogam
    Lisu Tale Talu Lana Cham Limb Lepc Saur Kali Rjng Batk Bugi Buhd Hano Tagb Tglg Sylo Phag Samr Mand Bamu Adlm Glag
    Dsrt Osge Hmng Hmnp Rohg Wcho Cakm Newa Tavt Plrd Bhks Xsux Egyp"""
SCRIPTS = tuple(_SCRIPTS.split())
"""ISO 15924 codes of the scripts that are told apart; letters of another are counted as Zzzz."""
UNKNOWN_SCRIPT = "Zzzz"
FIRST_PLANES, LAST = 0x20000, 0x3FFFF  # letters of planes 2 and 3 are Han, or of no script told apart; later: none

_STARTS = """
    def class import return elif function var const public private protected static package fn func impl struct enum
    except catch switch printf echo local export SELECT INSERT UPDATE CREATE sudo #include #define #ifdef #endif // @ $
    -- /// #!"""
STARTS = tuple(_STARTS.encode().split())
"""Words and signs that begin a line of code. Such as sentences begin with (`for`, `from`, `if`) are left out: verse is
indented."""


@functools.cache
def script_names() -> list[str]:
    """The scripts in the order of their numbers in `script_classes`, from 1."""
    return [*SCRIPTS, UNKNOWN_SCRIPT]


@functools.cache
def script_classes() -> np.ndarray:
    """The number of each code point's script up to LAST, uint8; 0: no letter, or of no one script."""
    import regex

    everything = "".join(map(chr, [*range(0xD800), *([0x20] * 0x800), *range(0xE000, FIRST_PLANES)]))
    classes = np.zeros(LAST + 1, np.uint8)
    names = script_names()
    for number, name in [(len(names), ""), *enumerate(names[:-1], 1)]:
        one = rf"[\p{{L}}&&\p{{sc={name}}}]+" if name else r"[\p{L}&&[^\p{sc=Zyyy}\p{sc=Zinh}]]+"
        for match in regex.finditer(f"(?V1){one}", everything):
            classes[match.start() : match.end()] = number
    later = "".join(map(chr, range(FIRST_PLANES, LAST + 1)))
    for number, one in ((len(names), r"\p{L}+"), (names.index("Hani") + 1, r"[\p{L}&&\p{sc=Hani}]+")):
        for match in regex.finditer(f"(?V1){one}", later):
            classes[FIRST_PLANES + match.start() : FIRST_PLANES + match.end()] = number
    return classes


def main_scripts(texts: pa.Array) -> tuple[list[str | None], np.ndarray]:
    """The most frequent script of each text's letters (the first in SCRIPTS of those that are equally frequent), and
    the share of the letters that are of it; (None, 0) for a text without letters.
    """
    from models import textform_kernels as kernels

    text, offsets = utf8(texts)
    scripts = np.empty(len(texts), np.int32)
    shares = np.empty(len(texts), np.float32)
    names = script_names()
    kernels.main_scripts(text, offsets, script_classes(), scripts, shares)
    return [names[number - 1] if number else None for number in scripts.tolist()], shares


def code_shares(texts: pa.Array) -> np.ndarray:
    """Share of the non-blank lines of each text that look like source code, float32; 0 for a text without lines."""
    from models import textform_kernels as kernels

    text, offsets = utf8(texts)
    shares = np.empty(len(texts), np.float32)
    kernels.code_shares(text, offsets, *_starts(), shares)
    return shares


@functools.cache
def _starts() -> tuple[np.ndarray, np.ndarray]:
    ordered = sorted(STARTS)
    offsets = np.zeros(len(ordered) + 1, np.int64)
    np.cumsum([len(one) for one in ordered], out=offsets[1:])
    return np.frombuffer(b"".join(ordered), np.uint8), offsets
