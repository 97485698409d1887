"""Codes of languages: the labels of different models in one form, ISO 639-1 where there is one, else ISO 639-3.

fastText's lid.176 speaks in ISO 639-1 and, where there is none, in codes of Wikipedias; GlotLID (Kargaran et al. 2023)
and NLLB's models in ISO 639-3 and ISO 15924 (`deu_Latn`). Where ISO 639-3 parts what the two-letter code holds together
(Standard Arabic, Mandarin, Bokmål …), the member that models label is given the two-letter code that lid.176 uses.
"""

_PAIRS = (
    "aar:aa abk:ab afr:af aka:ak amh:am ara:ar arg:an asm:as ava:av ave:ae aym:ay aze:az bak:ba bam:bm bel:be "
    "ben:bn bis:bi bod:bo bos:bs bre:br bul:bg cat:ca ces:cs cha:ch che:ce chu:cu chv:cv cor:kw cos:co cre:cr "
    "cym:cy dan:da deu:de div:dv dzo:dz ell:el eng:en epo:eo est:et eus:eu ewe:ee fao:fo fas:fa fij:fj fin:fi "
    "fra:fr fry:fy ful:ff gla:gd gle:ga glg:gl glv:gv grn:gn guj:gu hat:ht hau:ha heb:he her:hz hin:hi hmo:ho "
    "hrv:hr hun:hu hye:hy ibo:ig ido:io iii:ii iku:iu ile:ie ina:ia ind:id ipk:ik isl:is ita:it jav:jv jpn:ja "
    "kal:kl kan:kn kas:ks kat:ka kau:kr kaz:kk khm:km kik:ki kin:rw kir:ky kom:kv kon:kg kor:ko kua:kj kur:ku "
    "lao:lo lat:la lav:lv lim:li lin:ln lit:lt ltz:lb lub:lu lug:lg mah:mh mal:ml mar:mr mkd:mk mlg:mg mlt:mt "
    "mon:mn mri:mi msa:ms mya:my nau:na nav:nv nbl:nr nde:nd ndo:ng nep:ne nld:nl nno:nn nor:no nya:ny oci:oc "
    "oji:oj ori:or orm:om oss:os pan:pa pli:pi pol:pl por:pt pus:ps que:qu roh:rm ron:ro run:rn rus:ru sag:sg "
    "san:sa sin:si slk:sk slv:sl sme:se smo:sm sna:sn snd:sd som:so sot:st spa:es sqi:sq srd:sc srp:sr ssw:ss "
    "sun:su swa:sw swe:sv tah:ty tam:ta tat:tt tel:te tgk:tg tgl:tl tha:th tir:ti ton:to tsn:tn tso:ts tuk:tk "
    "tur:tr twi:tw uig:ug ukr:uk urd:ur uzb:uz ven:ve vie:vi vol:vo wln:wa wol:wo xho:xh yid:yi yor:yo zha:za "
    "zho:zh zul:zu hbs:sh "
    # members of a two-letter code that models label by themselves
    "arb:ar cmn:zh nob:no ekk:et lvs:lv pes:fa zsm:ms azj:az uzn:uz khk:mn npi:ne ory:or swh:sw gaz:om plt:mg "
    "ydd:yi pbt:ps kmr:ku als:sq gug:gn quy:qu ayr:ay fuv:ff fil:tl"
)
TWO_LETTERS: dict[str, str] = {pair[:3]: pair[4:] for pair in _PAIRS.split()}
"""ISO 639-3 to ISO 639-1."""


def common_code(label: str) -> tuple[str, str | None]:
    """A model's label as (language, script): `deu_Latn` is (de, Latn), `en` is (en, None).

    A label in another form is given back as it is.
    """
    language, separator, script = label.partition("_")
    if not separator:
        return (TWO_LETTERS.get(language, language) if len(language) == 3 and language != "als" else language), None
    if len(script) == 4 and script.isalpha():
        return TWO_LETTERS.get(language, language), script
    return label, None
