"""The compiled pass that finds candidates: few enough that Python may look at each of them with all its libraries.

Every candidate is a stretch of bytes of one document, around a sign that a kind cannot be without: the @ of an address,
four numbers with points, a run of digits, the first letters of a key. All of them are ASCII, so that a byte above 127
ends each. Offsets are into the joined bytes of a batch.
"""

import functools
import string
from typing import Any

import numpy as np
from numba import types

from tasks.sign_kernels import compiled

EMAIL, OBFUSCATED, IPV4, IPV6, NUMBER, CARD, CODE, TOKEN, ASSIGNED, PEM = range(10)
"""What a candidate may be. CODE: letters and digits as in an IBAN or an identity code; TOKEN: begins as a known key;
ASSIGNED: a quoted value after a name like `api_key`; PEM: the first line of a private key."""

BYTES = types.Array(types.uint8, 1, "C", readonly=True)
FLAGS = types.Array(types.uint8, 1, "C")
OFFSETS = types.Array(types.int64, 1, "C")
FOUND = types.Array(types.int64, 2, "C")
PAIRS = types.Array(types.uint8, 1, "C")
SPAN = types.Array(types.int64, 1, "C")
INT = types.int64

# Classes of bytes, as bits.
DIGIT, UPPER, LOWER, LOCAL, DOMAIN, HEX, SEPARATOR, WORD = 1, 2, 4, 8, 16, 32, 64, 128
ALNUM = DIGIT | UPPER | LOWER
MOST_LOCAL, MOST_DOMAIN, MOST_DIGITS, MOST_VALUE = 64, 255, 32, 256


@functools.cache
def byte_flags() -> np.ndarray:
    """The classes of every byte, uint8 (256,)."""
    flags = np.zeros(256, np.uint8)
    for code in range(128):
        sign = chr(code)
        flags[code] = (
            DIGIT * sign.isdigit()
            | UPPER * sign.isupper()
            | LOWER * sign.islower()
            | LOCAL * (sign.isalnum() or sign in "._%+-&")
            | DOMAIN * (sign.isalnum() or sign in ".-")
            | HEX * (sign in "0123456789abcdefABCDEF")
            | SEPARATOR * (sign in " -./()")
            | WORD * (sign.isalnum() or sign == "_")
        )
    return flags


@functools.cache
def byte_pairs() -> np.ndarray:
    """Which two bytes, one after the other, a candidate may begin with or be found by: uint8 (65536,)."""
    digits, capitals, letters = string.digits, string.ascii_uppercase, string.ascii_letters
    beginnings = [
        *((one, digits + " -./(") for one in digits),
        *((one, capitals + digits) for one in capitals),
        ("g", "hli"), ("x", "o"), ("sr", "k"), ("p", "y"), ("e", "y"), ("h", "f"), ("n", "p"),
        ("dD", "oO"), ("aA", "tT"),
        ("@", letters + digits), (":", ":" + string.hexdigits), ("\"'", string.printable), ("-", "-"),
        ("+(", digits + " -./()"),
    ]  # fmt: skip
    pairs = np.zeros((256, 256), np.uint8)
    for firsts, seconds in beginnings:
        for first in firsts:
            pairs[ord(first), [ord(second) for second in seconds]] = 1
    return pairs.ravel()


@compiled(types.boolean(BYTES, INT, INT, INT, INT, INT, INT))
def _is(text: Any, place: Any, stop: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Whether the four bytes at `place` are these; 0 stands for any."""
    if place + 4 > stop:
        return False
    return (
        (a == 0 or text[place] == a)
        and (b == 0 or text[place + 1] == b)
        and (c == 0 or text[place + 2] == c)
        and (d == 0 or text[place + 3] == d)
    )


@compiled(INT(BYTES, FLAGS, INT, INT))
def _quad(text: Any, flags: Any, place: Any, stop: Any) -> Any:
    """Where four numbers up to 255 with points between them end, or -1."""
    for number in range(4):
        value, digits = 0, 0
        while place < stop and flags[text[place]] & DIGIT and digits < 4:
            value = value * 10 + text[place] - 48
            digits += 1
            place += 1
        if digits == 0 or digits > 3 or value > 255:
            return -1
        if number < 3:
            if place >= stop or text[place] != 46:
                return -1
            place += 1
    return place


@compiled(INT(BYTES, FLAGS, INT, INT))
def _card(text: Any, flags: Any, place: Any, stop: Any) -> Any:
    """Where 13 to 19 digits with one kind of separator end that pass Luhn's check and begin as a card does, or -1."""
    digits = np.empty(20, np.int64)
    count = 0
    separator = 0
    first = place
    while place < stop and count < 20:
        byte = text[place]
        if flags[byte] & DIGIT:
            digits[count] = byte - 48
            count += 1
        elif (byte == 32 or byte == 45) and place > first and flags[text[place - 1]] & DIGIT:
            if separator == 0:
                separator = byte
            elif separator != byte:
                break
        else:
            break
        place += 1
    if flags[text[place - 1]] & DIGIT == 0:
        place -= 1
    if count < 13 or count > 19 or (place < stop and flags[text[place]] & WORD):
        return -1
    total = 0
    for back in range(count):
        digit = digits[count - 1 - back]
        if back % 2:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return place if total % 10 == 0 else -1


@compiled(types.boolean(BYTES, FLAGS, INT, INT))
def _names_secret(text: Any, flags: Any, start: Any, end: Any) -> Any:
    """Whether a name holds key, token, secret, passw, pwd, credential or auth, in any case."""
    for place in range(start, end - 2):
        a, b, c = text[place] | 32, text[place + 1] | 32, text[place + 2] | 32
        if (a == 107 and b == 101 and c == 121) or (a == 112 and b == 119 and c == 100):  # key, pwd
            return True
        if place + 4 <= end:
            d = text[place + 3] | 32
            if a == 116 and b == 111 and c == 107 and d == 101:  # toke
                return True
            if a == 115 and b == 101 and c == 99 and d == 114:  # secr
                return True
            if a == 112 and b == 97 and c == 115 and d == 115:  # pass
                return True
            if a == 99 and b == 114 and c == 101 and d == 100:  # cred
                return True
            if a == 97 and b == 117 and c == 116 and d == 104:  # auth
                return True
    return False


@compiled(INT(BYTES, FLAGS, INT, INT, INT))
def _assigned(text: Any, flags: Any, quote: Any, begin: Any, stop: Any) -> Any:
    """Where the value ends that stands between quotes from `quote` on, if a name of a secret is given it; else -1."""
    end = quote + 1
    while end < stop and end - quote <= MOST_VALUE and text[end] > 32 and text[end] < 127 and text[end] != text[quote]:
        end += 1
    if end >= stop or text[end] != text[quote] or end - quote < 13:
        return -1
    place = quote - 1
    while place >= begin and text[place] == 32:
        place -= 1
    if place < begin or (text[place] != 61 and text[place] != 58):  # = or :
        return -1
    place -= 1
    if place >= begin and text[place] == 58:  # :=
        place -= 1
    while place >= begin and (text[place] == 32 or text[place] == 34 or text[place] == 39 or text[place] == 93):
        place -= 1
    for _ in range(2):  # the name; or its type, with a colon between them
        name_end = place + 1
        while place >= begin and name_end - place < 64 and (flags[text[place]] & WORD or text[place] == 45):
            place -= 1
        if _names_secret(text, flags, place + 1, name_end):
            return end
        while place >= begin and text[place] == 32:
            place -= 1
        if place < begin or text[place] != 58:
            return -1
        place -= 1
    return -1


@compiled(INT(BYTES, FLAGS, INT, INT))
def _token(text: Any, flags: Any, place: Any, stop: Any) -> Any:
    """Where a token ends that begins as a known key does, or -1."""
    first = text[place]
    known = False
    if first == 65:  # AKIA ASIA AIza
        known = (
            _is(text, place, stop, 65, 75, 73, 65)
            or _is(text, place, stop, 65, 83, 73, 65)
            or _is(text, place, stop, 65, 73, 122, 97)
        )
    elif first == 103:  # gh?_ glpa gith
        known = (
            (_is(text, place, stop, 103, 104, 0, 95))
            or _is(text, place, stop, 103, 108, 112, 97)
            or _is(text, place, stop, 103, 105, 116, 104)
        )
    elif first == 120:  # xox?
        known = _is(text, place, stop, 120, 111, 120, 0)
    elif first == 115 or first == 114 or first == 112:  # sk_l sk_t rk_l rk_t sk-? pypi
        known = (
            _is(text, place, stop, 0, 107, 95, 108)
            or _is(text, place, stop, 0, 107, 95, 116)
            or _is(text, place, stop, 115, 107, 45, 0)
            or _is(text, place, stop, 112, 121, 112, 105)
        )
    elif first == 101:  # eyJ?
        known = _is(text, place, stop, 101, 121, 74, 0)
    elif first == 104:  # hf_? http of a Slack hook is no token
        known = _is(text, place, stop, 104, 102, 95, 0)
    elif first == 110:  # npm_
        known = _is(text, place, stop, 110, 112, 109, 95)
    if not known:
        return -1
    end = place
    while end < stop and end - place < 4096 and (flags[text[end]] & WORD or text[end] == 45 or text[end] == 46):
        end += 1
    while end > place and (text[end - 1] == 46 or text[end - 1] == 45):
        end -= 1
    return end if end - place >= 20 else -1


@compiled(INT(BYTES, FLAGS, INT, INT))
def _run(text: Any, flags: Any, place: Any, stop: Any) -> Any:
    """Where a run of seven digits or more ends, with two separators at most between any two of them; or -1."""
    digits, end, gap = 0, place, 0
    while place < stop and digits <= MOST_DIGITS:
        if flags[text[place]] & DIGIT:
            digits += 1
            gap = 0
            end = place + 1
        elif flags[text[place]] & SEPARATOR and gap < 2:
            gap += 1
        else:
            break
        place += 1
    return end if digits >= 7 else -1


@compiled(types.boolean(BYTES, FLAGS, INT))
def _begins_code(text: Any, flags: Any, place: Any) -> Any:
    """Whether an IBAN (two letters, two digits) or an Italian or Spanish identity code may begin here."""
    second = flags[text[place + 1]]
    if second & UPPER and flags[text[place + 2]] & DIGIT and flags[text[place + 3]] & DIGIT:
        return True
    return second & ALNUM != 0 and flags[text[place + 6]] & DIGIT != 0 and flags[text[place + 7]] & DIGIT != 0


@compiled(types.boolean(BYTES, FLAGS, INT, INT, INT))
def _stands_for_sign(text: Any, flags: Any, begin: Any, place: Any, stop: Any) -> Any:
    """Whether the word `dot` begins here, or `at` in brackets."""
    if place + 3 >= stop:
        return False
    if text[place] | 32 == 100:
        return text[place + 1] | 32 == 111 and text[place + 2] | 32 == 116 and flags[text[place + 3]] & WORD == 0
    before, after = text[max(begin, place - 1)], text[place + 2]
    opened = before == 91 or before == 40 or before == 123
    return text[place + 1] | 32 == 116 and opened and (after == 93 or after == 41 or after == 125)


@compiled(INT(BYTES, FLAGS, INT, INT, INT))
def _groups_start(text: Any, flags: Any, begin: Any, colon: Any, stop: Any) -> Any:
    """Where an IPv6 address starts of which this is the first colon, if there are seven or two together; or -1."""
    colons, double, place = 0, False, colon
    while place < stop and place - colon < 40 and (flags[text[place]] & HEX or text[place] == 58):
        colons += text[place] == 58
        double |= text[place] == 58 and place > colon and text[place - 1] == 58
        place += 1
    if colons < 7 and not double:
        return -1
    start = colon
    while start > begin and colon - start < 5 and flags[text[start - 1]] & HEX:
        start -= 1
    return -1 if start > begin and (flags[text[start - 1]] & WORD or text[start - 1] == 58) else start


@compiled(types.void(BYTES, FLAGS, INT, INT, INT, INT, SPAN))
def _candidate(text: Any, flags: Any, before: Any, begin: Any, place: Any, stop: Any, one: Any) -> None:
    """What may begin at `place`, or stand around it: fills `one` with (kind or -1, start, end, where to go on).

    `before`: the classes of the byte before it.
    """
    byte = text[place]
    one[0], one[1], one[2], one[3] = -1, place, place, place + 1
    if flags[byte] & DIGIT:
        if before & WORD:
            return
        end = _quad(text, flags, place, stop)
        one[0] = IPV4
        if end < 0 or (end < stop and flags[text[end]] & WORD):
            end = _card(text, flags, place, stop)
            one[0] = CARD
        if end < 0:
            end = _run(text, flags, place, stop)
            one[0] = NUMBER
        if end < 0:
            one[0] = -1
        else:
            one[2], one[3] = end, end
    elif flags[byte] & ALNUM:
        if before & WORD:
            return
        end = _token(text, flags, place, stop)
        if end > 0:
            one[0], one[2], one[3] = TOKEN, end, end
        elif flags[byte] & UPPER and place + 9 <= stop and _begins_code(text, flags, place):
            one[0], one[2] = CODE, min(stop, place + 42)
        elif (byte | 32 == 100 or byte | 32 == 97) and _stands_for_sign(text, flags, begin, place, stop):  # d, a
            one[0], one[1], one[2] = OBFUSCATED, max(begin, place - 96), min(stop, place + 64)
            while text[one[1]] & 0xC0 == 0x80:  # not within a character
                one[1] += 1
    elif byte == 64:  # @
        if before & LOCAL and place + 1 < stop and flags[text[place + 1]] & ALNUM:
            start, end = place, place + 1
            while start > begin and place - start < MOST_LOCAL and flags[text[start - 1]] & LOCAL:
                start -= 1
            while end < stop and end - place < MOST_DOMAIN and flags[text[end]] & DOMAIN:
                end += 1
            one[0], one[1], one[2] = EMAIL, start, end
    elif byte == 58:  # :
        start = _groups_start(text, flags, begin, place, stop)
        if start >= 0:
            end = place
            while end < stop and end - place < 45 and (flags[text[end]] & HEX or text[end] == 58 or text[end] == 46):
                end += 1
            one[1], one[2], one[3] = start, end, end
            if end - start > 5:
                one[0] = IPV6
    elif byte == 34 or byte == 39:  # quotes
        end = _assigned(text, flags, place, begin, stop)
        if end > 0:
            one[0], one[1], one[2] = ASSIGNED, place + 1, end
    elif byte == 45:  # -----BEG
        if before & WORD == 0 and _is(text, place, stop, 45, 45, 45, 45) and _is(text, place + 4, stop, 45, 66, 69, 71):
            one[0], one[2] = PEM, min(stop, place + 40)
    elif byte == 43 or byte == 40:  # + or ( before a number
        end = _run(text, flags, place + 1, stop)
        if before & WORD == 0 and end > 0:
            one[0], one[2] = NUMBER, end
            if byte == 43:  # what stands in brackets may be another kind
                one[3] = end


@compiled(INT(BYTES, OFFSETS, FLAGS, PAIRS, FOUND))
def find_candidates(text: Any, offsets: Any, flags: Any, pairs: Any, found: Any) -> Any:
    """Candidates of every document in order of their anchors.

    Args: `flags` of `byte_flags`, `pairs` of `byte_pairs`. Fills `found` with rows of (kind, document, start, end).
    Returns: how many there are, maybe more than there was room for: then it is called again with more.
    """
    count, room = 0, len(found)
    one = np.empty(4, np.int64)
    for document in range(len(offsets) - 1):
        begin, stop = offsets[document], offsets[document + 1]
        place, before = begin, np.int64(0)
        while place < stop - 1:  # no candidate is one byte
            if pairs[np.uint64(text[place]) << np.uint64(8) | np.uint64(text[place + 1])] == 0 or (
                before & WORD and flags[text[place]] & WORD  # what goes on with a word begins nothing
            ):
                before = np.int64(flags[text[place]])
                place += 1
                continue
            _candidate(text, flags, before, begin, place, stop, one)
            if one[0] >= 0:
                if count < room:
                    found[count, 0], found[count, 1] = one[0], document
                    found[count, 2], found[count, 3] = one[1], one[2]
                count += 1
            place = one[3]
            before = np.int64(flags[text[place - 1]])
    return count


@compiled(types.void(BYTES, INT, OFFSETS, OFFSETS))
def count_characters(text: Any, begin: Any, places: Any, characters: Any) -> None:
    """Fill `characters` with how many code points lie between `begin` and each of the ascending byte `places`."""
    at, count = begin, 0
    for number in range(len(places)):
        while at < places[number]:
            count += text[at] & 0xC0 != 0x80
            at += 1
        characters[number] = count
