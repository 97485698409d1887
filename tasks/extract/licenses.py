"""Names of licences, as SPDX writes them, from an address, from the words of a page, or from a licence's own text.

The table is our own and small: what is declared on pages and lies in repositories, by phrases that stand in one licence
alone. A declared address that it does not know is kept as it is, so that a recipe can still name it.
"""

import re

MAX_ADDRESS = 200
_CREATIVE_COMMONS = re.compile(
    r"creativecommons\.org/(?:licen[sc]es/(?P<kind>by(?:-nc)?(?:-nd|-sa)?|nc-sa|nd-nc|nc|nd|sa|devnations|sampling\+?)"
    r"/(?P<version>\d\.\d)(?:/(?P<port>[a-z]{2}|scotland|igo))?(?![a-z])"
    r"|publicdomain/(?P<domain>zero|mark)/(?P<since>\d\.\d)|licen[sc]es/(?P<old>publicdomain))",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"\bCC[\s-]*(?P<kind>BY(?:[\s-]NC)?(?:[\s-](?:ND|SA))?)(?:[\s-]*(?P<version>\d\.\d))\b|\bCC-?0(?:[\s-]*(?P<zero>1\.0))?\b",
    re.IGNORECASE,
)
_ADDRESSES = (
    (r"gnu\.org/(?:licenses|copyleft)/(?:old-licenses/)?(agpl|lgpl|gpl|fdl)-?(\d\.\d)", None),
    (r"apache\.org/licenses/LICENSE-2\.0", "Apache-2.0"),
    (r"opensource\.org/licenses?/MIT\b", "MIT"),
    (r"opensource\.org/licenses?/BSD-([23])-Clause", "BSD-{}-Clause"),
    (r"opensource\.org/licenses?/Apache-2\.0", "Apache-2.0"),
    (r"mozilla\.org/(?:en-US/)?MPL/2\.0", "MPL-2.0"),
    (r"opendatacommons\.org/licenses/(odbl|by|pddl)\b", None),
    (r"nationalarchives\.gov\.uk/doc/open-government-licen[cs]e/version/(\d)", "OGL-UK-{}.0"),
    (r"(?:unlicense\.org)", "Unlicense"),
)
_KNOWN = tuple((re.compile(pattern, re.IGNORECASE), name) for pattern, name in _ADDRESSES)
_GNU = {"agpl": "AGPL", "lgpl": "LGPL", "gpl": "GPL", "fdl": "GFDL"}
_OPEN_DATA = {"odbl": "ODbL-1.0", "by": "ODC-By-1.0", "pddl": "PDDL-1.0"}
_SPACE = re.compile(r"\s+")

# (name, phrases that must all be there, phrases that must not): in this order, the narrower before the wider.
_TEXTS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("AGPL-3.0", ("gnu affero general public license", "version 3, 19 november 2007"), ()),
    ("LGPL-3.0", ("gnu lesser general public license", "version 3, 29 june 2007"), ("gnu affero",)),
    ("LGPL-2.1", ("gnu lesser general public license", "version 2.1, february 1999"), ()),
    ("LGPL-2.0", ("gnu library general public license", "version 2, june 1991"), ()),
    ("GPL-3.0", ("gnu general public license", "version 3, 29 june 2007"), ()),
    ("GPL-2.0", ("gnu general public license", "version 2, june 1991"), ()),
    ("GFDL-1.3", ("gnu free documentation license", "version 1.3, 3 november 2008"), ()),
    ("GFDL-1.2", ("gnu free documentation license", "version 1.2, november 2002"), ()),
    ("Apache-2.0", ("apache license", "version 2.0, january 2004"), ()),
    ("Apache-2.0", ("licensed under the apache license, version 2.0",), ()),
    ("MPL-2.0", ("mozilla public license version 2.0",), ()),
    ("MPL-2.0", ("mozilla public license, version 2.0",), ()),
    ("EPL-2.0", ("eclipse public license - v 2.0",), ()),
    ("EUPL-1.2", ("european union public licence", "1.2"), ()),
    ("CC0-1.0", ("cc0 1.0 universal",), ()),
    ("BSL-1.0", ("boost software license - version 1.0",), ()),
    ("Unlicense", ("this is free and unencumbered software released into the public domain",), ()),
    ("WTFPL", ("do what the fuck you want to public license",), ()),
    ("PSF-2.0", ("python software foundation license version 2",), ()),
    ("Artistic-2.0", ("the artistic license 2.0",), ()),
    ("Zlib", ("this software is provided 'as-is', without any express or implied warranty",), ()),
    (
        "MIT-0",
        ("permission is hereby granted, free of charge", 'the software is provided "as is"'),
        ("shall be included",),
    ),
    (
        "MIT",
        ("permission is hereby granted, free of charge", "the above copyright notice and this permission notice"),
        (),
    ),
    ("ISC", ("permission to use, copy, modify, and/or distribute this software for any purpose",), ()),
    ("ISC", ("permission to use, copy, modify, and distribute this software for any purpose",), ()),
    (
        "BSD-4-Clause",
        ("redistribution and use in source and binary forms", "all advertising materials mentioning features"),
        (),
    ),
    (
        "BSD-3-Clause",
        ("redistribution and use in source and binary forms", "endorse or promote products derived from"),
        (),
    ),
    ("BSD-2-Clause", ("redistribution and use in source and binary forms", "reproduce the above copyright notice"), ()),
)
_SPDX = re.compile(r"SPDX-License-Identifier:\s*([A-Za-z0-9.+() -]{2,100})")


def of_address(address: str) -> str | None:
    """The licence that an address is of; None if it is no licence's that is known."""
    if match := _CREATIVE_COMMONS.search(address):
        if match["domain"]:
            return f"CC0-{match['since']}" if match["domain"].lower() == "zero" else f"CC-PDM-{match['since']}"
        if match["old"]:
            return "CC-PDDC"
        kind = match["kind"].upper()
        port = (match["port"] or "").upper()
        return f"CC-{kind}-{match['version']}" + (f"-{port}" if port else "")
    for pattern, name in _KNOWN:
        if match := pattern.search(address):
            if name is not None:
                return name.format(*match.groups())
            if match.group(1).lower() in _GNU:
                return f"{_GNU[match.group(1).lower()]}-{match.group(2)}"
            return _OPEN_DATA[match.group(1).lower()]
    return None


def of_words(words: str) -> str | None:
    """The licence that a few declared words name (`CC BY-SA 4.0`); None if they name none that is known."""
    if found := of_address(words):
        return found
    if match := _NAMED.search(words):
        if match["kind"] is None:
            return "CC0-1.0"
        return f"CC-{re.sub(r'[ -]+', '-', match['kind'].upper())}-{match['version']}"
    return None


def declared(value: str) -> str | None:
    """The licence that a declaration means: a name that is known, else the address as it stands, else None."""
    value = _SPACE.sub(" ", value).strip()
    if found := of_words(value[:2000]):
        return found
    address = value.startswith(("http://", "https://")) and " " not in value and len(value) <= MAX_ADDRESS
    return value if address else None


def of_text(text: str) -> str | None:
    """The licence whose text this is, or that it names (SPDX-License-Identifier); None if it is none that is known."""
    if match := _SPDX.search(text):
        return match.group(1).strip()
    head = _SPACE.sub(" ", text[:40_000]).lower().replace("“", '"').replace("”", '"')
    for name, wanted, unwanted in _TEXTS:
        if all(phrase in head for phrase in wanted) and not any(phrase in head for phrase in unwanted):
            return name
    return of_words(head[:3000])
