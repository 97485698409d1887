"""How much a decoded text looks like writing: what tells a right guess of an encoding from a wrong one.

A wrong encoding gives letters of two scripts in one word, capitals after small letters, signs inside words, rare
ideographs, control characters. No language is guessed: each character beyond ASCII is worth something by itself and by
the letter before it.
"""

import re
import unicodedata
from functools import cache

SAMPLE_BYTES = 6000
"""So much text with bytes beyond ASCII is looked at, from the start of a body."""
SAMPLE_CHARACTERS = 2000

# Letters that are common in languages written with them, and the commonest. A decoding that gives them is likelier than
# one that gives others of the same script.
_COMMONEST = frozenset("éäöüáíóñçàèßêúãćłąęıışğčšžřăåоеаинтсрвліОЕАИНТСРВЛІαοιετσνηυρיוהאלמתרבשاليمنرتبوةานรอกเงมยล่")
_COMMON = frozenset(
    "ÄÖÜëâîïôûùœÉÈÀÇÑÁÍÓÚõøæÅØÆńśźżŁŚŻŹďěňťůýČŘŠŽÝőűŐŰâîșțşţİŞĞāēīūģķļņ"
    "кмдпуяыьгзбчйхжшюцщэёїєґКМДПУЯГЗБЧХЖШЮЦЩЭЇЄђљњћџјЈ"
    "πκμλςωδγχθφβξζψάέήίόύώΑΟΙΕΤΣΝΗΥΡΠΚΜΛΩΔΓΧΘΦΒ"
    "בגדוזחטכךםןנסעפףצץק"
    "ثجحخدذزسشصضطظعغفقكهىأإآءئؤپچژگک"
    "ขคจชซดตถทธบปผพภวศษสหฮะิีึืุูแโใไ็้๊์ำัๆ"
)
_IDEOGRAPHS = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方"
    "多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使"
    "三高手知月车水城口星期等路每物"
    "這個們來為國說時會對於著過發後裡種經麼學現當沒動還進樣開從實軍無與長機車"
    "のにはをがたでとしてれさあいうえおかきくけこすせそちつなねひふへほまみむめもやゆよらりるろわんアイウエオカキクケコサシスセソタチツテトナ"
    "ニネノハヒフヘホマミムメモラリルレロワンー私見行"
    "이다에의는을가한고하지로기도서사를은자어인그나시해아리들부정대수있보전일라과주제장상원으면만것습니까요여러분우게안될든모두많"
    "날월말물때와길집새각후중국내년성경위연공신문구소비조동방세용오차발간미계통학교생합양회명개관심트스"
)
_SIGNS = frozenset("«»“”„‘’‚–—…€©®·•°§\xa0¿¡、。「」『』，！？：（）・،؛؟№™−×")
_SIGN = -0.7
_HALF_WIDTH = range(0xFF61, 0xFFA0)
_PART = re.compile(rb"[^<>\x80-\xff]{0,200}[\x80-\xff][^<>]{0,2000}")


def sample(body: bytes) -> bytes:
    """Text of a body around its bytes beyond ASCII. Cut at tags, which no encoding's characters hold."""
    parts: list[bytes] = []
    size = 0
    for match in _PART.finditer(body):
        parts.append(match.group())
        size += len(parts[-1])
        if size >= SAMPLE_BYTES:
            break
    return b"\n".join(parts)


def plausibility(text: str) -> tuple[float, int]:
    """The mean worth of the text's characters beyond ASCII, -3 (noise) to 1.2 (writing), and how many were read."""
    total, count, before = 0.0, 0, ("", False)
    beyond = False
    for character in text:
        if character < "\x80":
            before = ("LATIN", character.islower()) if character.isalpha() else ("", False)
            beyond = False
            continue
        worth, script, small, large = _about(character)
        if worth == _SIGN and not before[0]:
            worth = 0.2  # a sign by itself; inside a word it is none
        total += worth
        count += 1
        if script and before[0] and script != before[0]:
            total -= 1
        if large and before[0]:
            total -= 1 if before[1] else 0.5
        if script == "LATIN" and beyond:
            total -= 0.6  # accents stand between plain letters
        before, beyond = (script, small), script == "LATIN"
        if count >= SAMPLE_CHARACTERS:
            break
    return (total / count if count else 1.0), count


@cache
def _about(character: str) -> tuple[float, str, bool, bool]:
    """A character's worth, its script ("" if it is no letter), whether it is a small letter, a capital."""
    kind = unicodedata.category(character)
    if kind in ("Cc", "Co", "Cn", "Cs") or character == "\N{REPLACEMENT CHARACTER}":
        return -3.0, "", False, False
    if ord(character) in _HALF_WIDTH:
        return -1.0, "", False, False
    if character in _COMMONEST or character in _IDEOGRAPHS:
        worth = 1.2
    elif character in _COMMON:
        worth = 0.8
    elif character in "¿¡":
        worth = 1.2
    elif character in _SIGNS:
        worth = 0.5
    elif kind[0] == "L":
        worth = 0.1
    elif kind[0] == "M":
        worth = 0.5
    else:
        worth = _SIGN
    script = unicodedata.name(character, "").split(" ")[0] if kind[0] == "L" else ""
    if script in ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL"):
        script = ""  # they stand beside each other and beside Latin
    return worth, script, kind == "Ll", kind == "Lu"
