"""What the scanner of pages looks for: the tags it knows, and words in attributes and in text that say what a part is.

The words are general ones of the web and of several languages; none comes from a single site.
"""

from functools import cache

import numpy as np

# What the scanner does at a tag. One tag may have several.
VOID, BLOCK, SKIP, RAW, INLINE = 1, 2, 4, 8, 16


def _all(names: str, kind: int) -> dict[str, int]:
    return dict.fromkeys(names.split(), kind)


TAGS: dict[str, int] = {
    **_all("area base br col embed hr img input link meta param source track wbr", VOID),
    **_all(
        "address article aside blockquote body center dd details dialog dir div dl dt fieldset figcaption figure "
        "footer form h1 h2 h3 h4 h5 h6 header hgroup html legend li main menu nav ol p pre section summary table "
        "tbody thead tfoot tr td th caption ul listing",
        BLOCK,
    ),
    **_all("script style iframe noembed noframes xmp textarea title", RAW),
    **_all(
        "head noscript svg template select option optgroup datalist object canvas audio video map frameset applet", SKIP
    ),
    **_all(
        "a abbr acronym annotation b bdi bdo big button cite code data del dfn em font i ins kbd label mark math q rp "
        "rt ruby s samp semantics small span strike strong sub sup time tt u var",
        INLINE,
    ),
}
"""What is done at each tag that is known."""
TAGS["hr"] |= BLOCK
NAMES = ("", *TAGS)
"""Name of each tag by its number; 0 is any other."""
TAG = {name: number for number, name in enumerate(NAMES)}
"""Number of each tag by its name."""

ATTRIBUTE_WORDS: dict[str, str] = {
    "comment": "comment kommentar disqus reply respond discussion livefyre coment comentario",
    "sidebar": "sidebar side-bar seitenleiste rightcol right-col leftcol sidecol marginal rail secondary complementary",
    "footer": "footer foot fuss colophon bottom",
    "header": "header masthead topbar top-bar kopf banner",
    "navigation": "nav menu breadcrumb crumb toc inhaltsverz jump skip",
    "pages": "pagination pager paging page-numbers prevnext nextprev",
    "share": "share sharing social facebook twitter whatsapp addtoany follow teilen sociable shariff bookmark",
    "related": "related similar recommend more-stor morefrom read-more readmore more-link outbrain taboola aehnlich "
    "weiterlesen also-like alsolike see-also seealso mehr-zum",
    "teaser": "teaser promo card tile trending popular mostread most-read latest recent featured",
    "advert": "advert adsense ad-slot adslot ad-container google_ads banner-ad sponsor werbung anzeige publicidad dfp",
    "cookie": "cookie consent gdpr privacy datenschutz cmp",
    "newsletter": "newsletter subscribe subscription abonn abo- signup sign-up optin paywall mailing",
    "login": "login signin sign-in account register user-menu anmeld",
    "author": "author byline autor vcard writer",
    "date": "date time publish posted datum",
    "meta": "meta info submitted details credits",
    "caption": "caption figure legend bildunter credit copyright",
    "gallery": "gallery slider slide carousel lightbox slideshow swiper",
    "tags": "tags taglist tag-list tagcloud categor kategorie topics keywords labels",
    "widget": "widget module plugin block-views addon",
    "form": "form search suche input buscar recherche",
    "hidden": "hidden hide invisible sr-only screen-reader visually collapsed nodisplay noprint",
    "popup": "modal popup overlay lightbox dialog tooltip dropdown flyout offcanvas toast",
    "rating": "rating vote like stars karma bewertung",
    "list": "list items grid listing archive",
    "tools": "tool action button print icon control toolbar",
    "title": "title headline heading titulo titre",
    "lead": "lead intro summary standfirst subtitle dek excerpt abstract kicker vorspann",
    "article": "article artikel articulo story beitrag news-detail hentry blogpost",
    "content": "content inhalt contenido",
    "body": "articlebody article-body article_body body-text bodytext entry-content post-content article-content "
    "story-body post-body article__body article-text content-body td-post-content richtext rich-text field-name-body "
    "articletext body-copy entrytext",
    "post": "post entry blog",
    "text": "text txt paragraph prose copy",
    "main": "main primary haupt",
    "wrapper": "wrap container outer inner layout",
    "quote": "quote zitat",
    "info": "infobox factbox fact-box box",
    "video": "video player audio podcast embed media",
    "shop": "product price cart shop basket buy",
    "bio": "bio about profile about-author authorbox author-box avatar",
    "license": "license licence",
    "twin": "katex-html mathjax_preview mjx-chtml mathjax_svg mathjax_chtml",
}
"""What a class, id, role or itemprop may say of its element: words by what they mean, each anywhere in the value."""

TEXT_WORDS: dict[str, str] = {
    "copyright": "©|copyright|all rights reserved|alle rechte|tous droits|todos los derechos|wszelkie prawa|"
    "все права|tutti i diritti|版权所有|all rights",
    "cookies": "cookie|datenschutz|privacy|confidentialit|privacidad|prywatno|gdpr|隐私",
    "imprint": "impressum|imprint|terms of|agb|nutzungsbedingungen|mentions légales|aviso legal|regulamin|sitemap|"
    "kontakt|contact us|about us|über uns",
    "share": "facebook|twitter|whatsapp|linkedin|pinterest|telegram|instagram|youtube|share|teilen|partager|compartir|"
    "udostępnij|поделиться|condividi|dela |分享",
    "comments": "comment|kommentar|commentaire|comentario|komentarz|комментар|leave a reply|antworten|trackback|评论",
    "login": "log in|login|sign in|sign up|anmelden|registrier|einloggen|connexion|"
    "iniciar sesión|zaloguj|войти|passwor",
    "newsletter": "newsletter|subscribe|abonnier|abonnez|suscríb|subskryb|подпис|follow us|folgen sie|订阅",
    "related": "related|read more|read also|see also|more from|you may also|you might|recommended|weiterlesen|"
    "mehr zum|lesen sie auch|auch interessant|ähnliche|lire aussi|à lire|voir aussi|leer más|lea también|te puede|"
    "czytaj|zobacz|читайте|leggi anche|mehr lesen|most read|meistgelesen|popular|trending|latest",
    "tags": "tags:|tagged|filed under|categories|kategorie|schlagw|posted in|veröffentlicht|stichwort|tags",
    "posted": "posted|published|veröffentlicht|publié|publicado|updated|aktualisiert|last modified|written by|erstellt|"
    "am um|von |by ",
    "navigation": "next|previous|vorherige|nächste|zurück|back to|suivant|siguiente|anterior|home|startseite|accueil|"
    "menu|search|suche|skip to|nach oben|to top|print|drucken|e-mail|permalink",
    "advert": "advert|anzeige|werbung|publicité|publicidad|sponsor|reklama|реклама",
    "javascript": "javascript|your browser|ihr browser|enable|aktivieren sie",
    "photo": "photo|foto:|bild:|quelle:|image:|getty|credit|picture alliance|dpa|reuters|afp",
    "license": "licens|lizenz|creative commons|cc by|gnu ",
}
"""Words that often stand in what surrounds a text, in several languages; each anywhere in a block."""


@cache
def automaton(groups: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An Aho-Corasick automaton over bytes for words in groups, each group a string of words between bars.

    Returns: for each byte its class (uint8, 256), the next state by (state, class) (int16), and for each state the bits
    of the groups whose words end there (uint64). ASCII letters are compared in lower case; those in no word are 0.
    """
    words = [(word.encode(), number) for number, group in enumerate(groups) for word in group.split("|") if word]
    letters = sorted({byte for word, _ in words for byte in word})
    if len(letters) >= 256:
        raise ValueError("too many different bytes in the words")
    classes = np.zeros(256, np.uint8)
    for number, byte in enumerate(letters, 1):
        classes[byte] = number
    for byte in range(ord("A"), ord("Z") + 1):
        classes[byte] = classes[byte + 32]
    goto: list[dict[int, int]] = [{}]
    bits = [0]
    for word, number in words:
        state = 0
        for byte in word:
            letter = int(classes[byte])
            if letter not in goto[state]:
                goto[state][letter] = len(goto)
                goto.append({})
                bits.append(0)
            state = goto[state][letter]
        bits[state] |= 1 << number
    table = np.zeros((len(goto), len(letters) + 1), np.int16)
    fail = [0] * len(goto)
    queue = []
    for letter, state in goto[0].items():
        table[0, letter] = state
        queue.append(state)
    for state in queue:
        bits[state] |= bits[fail[state]]
        table[state] = table[fail[state]]
        for letter, after in goto[state].items():
            fail[after] = int(table[fail[state], letter])
            table[state, letter] = after
            queue.append(after)
    return classes, table, np.array(bits, np.uint64)


def attribute_automaton() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The automaton of ATTRIBUTE_WORDS."""
    return automaton(tuple("|".join(words.split()) for words in ATTRIBUTE_WORDS.values()))


def text_automaton() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The automaton of TEXT_WORDS."""
    return automaton(tuple(TEXT_WORDS.values()))


def fnv(data: bytes) -> int:
    """FNV-1a of a tag's name, 64 bits, as the scanner computes it."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


@cache
def tag_table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hashes of the known tags' names in rising order (uint64), their numbers (uint8), and what is done at each by its
    number (uint8)."""
    hashes = sorted((fnv(name.encode()), number) for number, name in enumerate(NAMES) if name)
    return (
        np.array([value for value, _ in hashes], np.uint64),
        np.array([number for _, number in hashes], np.uint8),
        np.array([0, *TAGS.values()], np.uint8),
    )
