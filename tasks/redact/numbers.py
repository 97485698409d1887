"""Phone numbers, cards, bank accounts and national identity numbers among the candidates.

Digits alone say little: a row of them is a part, an order, a time. So what is not written in a form of its own (+49 …,
an IBAN, a code of letters and digits) counts only after a word that announces it, and wherever there is a checksum it
has to be right.
"""

import functools
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# The regions whose way to write a number without + is tried, by the document's language, most speakers first.
REGIONS: dict[str, tuple[str, ...]] = {
    "ar": ("EG", "SA", "AE"),
    "cs": ("CZ",),
    "da": ("DK",),
    "de": ("DE", "AT", "CH"),
    "el": ("GR",),
    "en": ("US", "GB", "AU", "IN"),
    "es": ("ES", "MX", "AR", "CO"),
    "fi": ("FI",),
    "fr": ("FR", "BE", "CH"),
    "he": ("IL",),
    "hi": ("IN",),
    "hu": ("HU",),
    "id": ("ID",),
    "it": ("IT", "CH"),
    "ja": ("JP",),
    "ko": ("KR",),
    "nl": ("NL", "BE"),
    "no": ("NO",),
    "pl": ("PL",),
    "pt": ("BR", "PT"),
    "ro": ("RO",),
    "ru": ("RU",),
    "sv": ("SE",),
    "th": ("TH",),
    "tr": ("TR",),
    "uk": ("UA",),
    "vi": ("VN",),
    "zh": ("CN", "TW", "HK"),
}
PHONE_WORDS = re.compile(
    r"(?:\b(?:tel(?:ephone|efon\w*|éfon\w*|efoon\w*)?|phone|ph|call|fax|mobile?|cell|hotline|whatsapp|handy|"
    r"rufnummer|(?:télé|tele)phone|télécopie|appelez|móvil|celular|cellulare|chiam\w+|teléfono|puhelin|telefax|"
    r"(?:phone |fax )?number|dial|text|contact|reach (?:us|me|him|her|them))\b|"
    r"телефон\w*|тел\b|факс|☎|📞|电话|電話|手机|电话号码|전화|هاتف|تلفون|फ़ोन|फोन|โทร)[^\w\n]{0,4}(?:\w{1,7}[^\w\n]{1,3}){0,2}$",
    re.IGNORECASE,
)
NORTH_AMERICAN = re.compile(r"\(\d{3}\) ?\d{3}-\d{4}(?![\d-])|(?<![\d-])\d{3}-\d{3}-\d{4}(?![\d-])")
DECIMAL = re.compile(r"\+\d+[.,]\d+$")
DATE = re.compile(r"^\d{4}[-./]\d{1,2}[-./]\d{1,2}|^\d{1,2}[-./]\d{1,2}[-./]\d{4}")
CARD_PREFIX = re.compile(
    r"(?:4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|"
    r"3(?:0[0-5]|[689]\d)\d{11}|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17})$"
)


def find_phones(window: str, start: int, region: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Places of phone numbers in a window of text, valid as phonenumbers (Google's libphonenumber) says.

    Args: `start` where the candidate run of digits begins in the window; what stands before it is context.
    A number with + counts by itself; another one after a word such as "tel.", or in North America's own form, and if
    it is valid in a region of the document's language.
    """
    from phonenumbers import Leniency, PhoneNumberMatcher

    candidate = window[start:]
    if DATE.match(candidate):
        return
    tries: tuple[str | None, ...] = ()
    if candidate.startswith("+"):
        tries = (None,)
    elif PHONE_WORDS.search(window[:start]):
        tries = region
    elif "US" in region and NORTH_AMERICAN.match(candidate):
        tries = ("US",)
    for one in tries:
        found = next(iter(PhoneNumberMatcher(candidate, one, leniency=Leniency.VALID)), None)
        if found is not None and found.start <= 1 and not DECIMAL.match(found.raw_string):
            yield start + found.start, start + found.end
            return


def is_card(candidate: str, before: str) -> bool:
    """Whether digits that pass Luhn's check (seen by the kernel) have a length and beginning that issuers give out.

    Not one that goes on a number before it (3.4111…), and none of one digit alone.
    """
    digits = re.sub(r"\D", "", candidate)
    if not CARD_PREFIX.match(digits) or len(set(digits)) == 1 or re.search(r"\d[.,]$|[#/=_-]$", before):
        return False
    groups = [len(group) for group in re.split(r"\D", candidate)]
    return groups in ([len(digits)], [4, 4, 4, 4], [4, 6, 5], [4, 6, 4], [4, 4, 4, 4, 3])


def find_iban(candidate: str) -> int | None:
    """How many characters from the start are an IBAN (ISO 13616: the country's length, mod 97), in groups or not."""
    from stdnum import iban

    found = re.match(r"[A-Z]{2}\d{2}(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)", candidate)
    if found is None:
        return None
    code = found.group()
    length = _iban_length(code[:2])
    if length is None:
        return None
    signs = [place for place, sign in enumerate(code) if sign != " "]
    if len(signs) < length:
        return None
    end = signs[length - 1] + 1
    if re.match(r"[A-Za-z0-9]", candidate[end:]):
        return None
    return end if iban.is_valid(code[:end], check_country=False) else None


@functools.cache
def _iban_length(country: str) -> int | None:
    from stdnum import iban

    info = iban._ibandb.info(f"{country}00")[0][1]  # the registry's structure of a country's account number
    structure = info.get("bban")
    if not structure:
        return None
    return 4 + sum(int(size) for size in re.findall(r"(\d+)!", structure))


@dataclass(frozen=True)
class Identity:
    """A national number: its form, the library's module that checks it, and the words that announce it.

    `alone`: whether form and checksum say enough without a word (letters in fixed places, two check digits)."""

    form: str
    module: str
    words: str
    alone: bool = False


IDENTITIES: dict[str, Identity] = {
    "br": Identity(r"\d{3}\.\d{3}\.\d{3}-\d{2}|\d{11}", "br.cpf", r"cpf|cadastro de pessoas?"),
    "cn": Identity(r"\d{17}[\dX]", "cn.ric", r"身份证\w*|公民身份\w*|id|resident identity", True),
    "de": Identity(
        r"\d{2} ?\d{3} ?\d{3} ?\d{3}", "de.idnr", r"steuer\W?id\w*|steueridentifikationsnummer|idnr|tax id|tin"
    ),
    "es": Identity(r"(?:\d{8}|[XYZ]-?\d{7})-?[A-Z]", "es.nif", r"dni|nif|nie|documento|identidad|identificaci[oó]n"),
    "fi": Identity(r"\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]", "fi.hetu", r"hetu|henkilötunnus", True),
    "fr": Identity(r"[12] ?\d{2} ?\d{2} ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}", "fr.nir", r"nir|sécurité sociale|insee|sécu"),
    "in": Identity(r"\d{4} ?\d{4} ?\d{4}", "in_.aadhaar", r"aadhaar|aadhar|uidai|आधार"),
    "it": Identity(r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", "it.codicefiscale", r"codice fiscale|c\.?f", True),
    "nl": Identity(r"\d{9}|\d{4}\.\d{2}\.\d{3}", "nl.bsn", r"bsn|burgerservicenummer|sofinummer"),
    "pl": Identity(r"\d{11}", "pl.pesel", r"pesel"),
    "se": Identity(r"(?:\d{2})?\d{6}[-+]?\d{4}", "se.personnummer", r"personnummer|personnr|pnr|född"),
}
"""Those with a checksum that python-stdnum checks; a number without one (the American SSN) is not looked for."""


@functools.cache
def _checks(country: str) -> tuple[re.Pattern[str], re.Pattern[str], Any]:
    one = IDENTITIES[country]
    words = re.compile(rf"(?:(?<!\w)(?:{one.words}))[^\w\n]{{0,4}}(?:\w{{1,12}}[^\w\n]{{1,3}}){{0,2}}$", re.IGNORECASE)
    return re.compile(one.form, re.IGNORECASE), words, importlib.import_module(f"stdnum.{one.module}")


@functools.cache
def _any_form(countries: tuple[str, ...]) -> re.Pattern[str]:
    """The forms of all these countries as one: most candidates have none of them."""
    return re.compile("|".join(IDENTITIES[country].form for country in countries) or "(?!)", re.IGNORECASE)


def find_identity(candidate: str, before: str, countries: tuple[str, ...]) -> int | None:
    """How many characters from the start are a national number of one of the countries, or None."""
    if not _any_form(countries).match(candidate):
        return None
    for country in countries:
        form, words, module = _checks(country)
        found = form.match(candidate)
        if found is None or re.match(r"\w|[-./]\d", candidate[found.end() :]):
            continue
        if (IDENTITIES[country].alone or words.search(before)) and module.is_valid(found.group()):
            return found.end()
    return None
