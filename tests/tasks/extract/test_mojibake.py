"""Pages that declare one charset and use another: the text is the right one all the same.

The sentences are our own, about the same mill in eighteen writings. Each page is short (two paragraphs and a menu),
which makes it hard: of a long page more can be known.
"""

import pytest

from tasks.extract.charset import decode_text
from tasks.extract.plausibility import plausibility

SENTENCES = {
    "de": (
        "Die Mühle am Fluss mahlt montags Roggen und an allen übrigen Tagen Weizen. Der Müller prüft das "
        "Mehl, ehe die Säcke zugenäht werden. Größere Mengen gehen über die Straße nach Köln."
    ),
    "fr": (
        "Le moulin près de la rivière moud du seigle le lundi et du blé les autres jours. Le meunier vérifie "
        "la farine avant que les sacs soient fermés. Où mène le chemin, à l'été, personne ne l'a oublié."
    ),
    "es": (
        "El molino junto al río muele centeno los lunes y trigo los demás días. El molinero revisa la harina "
        "antes de cerrar los sacos. ¿Adónde llega el camino en otoño? Mañana lo sabrá el niño."
    ),
    "pl": (
        "Młyn nad rzeką miele żyto w poniedziałki, a pszenicę we wszystkie pozostałe dni. Młynarz sprawdza "
        "mąkę, zanim worki zostaną zaszyte. Większe ilości jadą drogą do miasta, gdzie piekarze już czekają."
    ),
    "cs": (
        "Mlýn u řeky mele žito v pondělí a pšenici ve všechny ostatní dny. Mlynář zkouší mouku, než jsou "
        "pytle zašity. Větší množství jede po silnici do města, kde už čekají pekaři."
    ),
    "hu": (
        "A folyó melletti malom hétfőn rozst őröl, a többi napon búzát. A molnár megnézi a lisztet, mielőtt "
        "a zsákokat bevarrják. A nagyobb mennyiség az úton megy a városba, ahol a pékek már várják."
    ),
    "tr": (
        "Irmak kıyısındaki değirmen pazartesi günleri çavdar, öteki günlerde buğday öğütür. Değirmenci çuvallar "
        "dikilmeden önce unu gözden geçirir. Büyük miktarlar yoldan şehre gider, fırıncılar orada bekler."
    ),
    "ru": (
        "Мельница у реки мелет рожь по понедельникам, а пшеницу во все остальные дни. Мельник проверяет муку, "
        "прежде чем мешки зашьют. Большие партии уходят по дороге в город, где их уже ждут пекари."
    ),
    "uk": (
        "Млин біля річки меле жито щопонеділка, а пшеницю в усі інші дні. Мірошник перевіряє борошно, перш "
        "ніж мішки зашиють. Її більші партії їдуть дорогою до міста, де вже чекають пекарі."
    ),
    "bg": (
        "Мелницата край реката мели ръж в понеделник, а пшеница през всички останали дни. Мелничарят проверява "
        "брашното, преди чувалите да бъдат зашити. По-големите количества отиват по пътя към града."
    ),
    "el": (
        "Ο μύλος δίπλα στο ποτάμι αλέθει σίκαλη τις Δευτέρες και σιτάρι όλες τις άλλες μέρες. Ο μυλωνάς ελέγχει "
        "το αλεύρι πριν ραφτούν τα σακιά. Οι μεγαλύτερες ποσότητες πηγαίνουν στην πόλη."
    ),
    "he": (
        "הטחנה שליד הנהר טוחנת שיפון בימי שני וחיטה בכל שאר הימים. הטוחן בודק את הקמח לפני שהשקים נתפרים. "
        "הכמויות הגדולות נוסעות בדרך אל העיר, ושם כבר מחכים האופים."
    ),
    "ar": (
        "تطحن الطاحونة بجانب النهر الجاودار أيام الاثنين والقمح في سائر الأيام. يفحص الطحان الدقيق قبل أن "
        "تخاط الأكياس. وتذهب الكميات الكبيرة في الطريق إلى المدينة حيث ينتظرها الخبازون."
    ),
    "th": (
        "โรงสีริมแม่น้ำโม่ข้าวไรย์ทุกวันจันทร์และโม่ข้าวสาลีในวันอื่นๆ ทุกวัน คนโม่ตรวจแป้งก่อนเย็บถุง ข้าวจำนวนม"
        "ากเดินทางไปตามถนนสู่เมืองที่คนทำขนมปังรออยู่"
    ),
    "ja": (
        "川のそばの水車小屋では、月曜日にライ麦を、ほかの日には小麦をひきます。粉屋は袋を縫う前に粉をよく調べます"
        "。大きな荷物は道を通って町へ行き、そこではパン屋がもう待っています。カタカナのパンもあります。"
    ),
    "zh": (
        "河边的磨坊每逢星期一磨黑麦，其余的日子都磨小麦。磨坊主在缝上口袋之前要检查面粉。大批的货物沿着大路运到城"
        "里，面包师们已经在那里等着了。"
    ),
    "zh-Hant": (
        "河邊的磨坊每逢星期一磨黑麥，其餘的日子都磨小麥。磨坊主在縫上口袋之前要檢查麵粉。大批的貨物沿著大路運到城"
        "裡，麵包師們已經在那裡等著了。"
    ),
    "ko": (
        "강가의 방앗간은 월요일마다 호밀을 빻고 다른 날에는 모두 밀을 빻습니다. 방앗간 주인은 자루를 꿰매기 "
        "전에 가루를 살펴봅니다. 많은 양은 길을 따라 도시로 가고, 그곳에서는 빵 굽는 사람들이 벌써 기다립니다."
    ),
}
CODECS = {
    "de": ["iso-8859-1", "cp1252", "utf-8", "mac-roman"],
    "fr": ["iso-8859-1", "cp1252", "utf-8"],
    "es": ["iso-8859-1", "utf-8"],
    "pl": ["iso-8859-2", "cp1250", "utf-8"],
    "cs": ["iso-8859-2", "cp1250", "utf-8"],
    "hu": ["iso-8859-2", "cp1250"],
    "tr": ["iso-8859-9", "utf-8"],
    "ru": ["cp1251", "koi8-r", "iso-8859-5", "cp866", "mac-cyrillic", "utf-8"],
    "uk": ["cp1251", "koi8-u", "utf-8"],
    "bg": ["cp1251", "utf-8"],
    "el": ["iso-8859-7", "cp1253", "utf-8"],
    "he": ["iso-8859-8", "cp1255", "utf-8"],
    "ar": ["cp1256", "iso-8859-6", "utf-8"],
    "th": ["cp874", "utf-8"],
    "ja": ["shift_jis", "euc-jp", "iso-2022-jp", "utf-8"],
    "zh": ["gb18030", "utf-8"],
    "zh-Hant": ["big5", "utf-8"],
    "ko": ["euc-kr", "utf-8"],
}
LABELS = ("utf-8", "iso-8859-1", "windows-1251", "iso-8859-2", "euc-jp", "shift_jis", "gb2312", "iso-8859-7", None)
FLOOR = 0.94
"""Share of the cases that is decoded right. What is missing: Hungarian, whose two own letters are others in Western
Europe's encodings, French and Spanish labelled as Central European, where their letters are letters too; and a few of
Hebrew and Greek under a Cyrillic or each other's label."""


def page(text: str, head: str = "") -> str:
    menu = '<div class="menu">Home | About | Contact</div>'
    return f"<html><head>{head}<title>{text[:20]}</title></head><body>{menu}<p>{text}</p><p>{text}</p></body></html>"


def meta(label: str | None) -> str:
    return f'<meta charset="{label}">' if label else ""


CASES = [(language, codec, label) for language, codecs in CODECS.items() for codec in codecs for label in LABELS]


def recovered(language: str, codec: str, label: str | None) -> bool:
    written = page(SENTENCES[language], meta(label))
    return decode_text(written.encode(codec)).text == written


def test_most_pages_with_a_wrong_label_are_decoded_right():
    wrong = [case for case in CASES if not recovered(*case)]
    assert len(CASES) > 300
    assert 1 - len(wrong) / len(CASES) >= FLOOR, wrong


@pytest.mark.parametrize(
    ("language", "codec", "label"),
    [
        ("ru", "cp1251", "utf-8"),
        ("ru", "cp1251", "iso-8859-1"),
        ("ru", "koi8-r", "windows-1251"),
        ("ru", "koi8-r", None),
        ("uk", "koi8-u", "koi8-r"),
        ("ja", "shift_jis", "euc-jp"),
        ("ja", "euc-jp", "shift_jis"),
        ("ja", "iso-2022-jp", "utf-8"),
        ("ja", "iso-2022-jp", None),
        ("zh", "gb18030", "iso-8859-1"),
        ("zh", "gb18030", "big5"),
        ("zh-Hant", "big5", "gb2312"),
        ("ko", "euc-kr", "iso-8859-1"),
        ("de", "utf-8", "iso-8859-1"),
        ("ar", "utf-8", "windows-1256"),
        ("th", "cp874", "utf-8"),
        ("he", "cp1255", "utf-8"),
    ],
)
def test_a_wrong_label_is_seen_through(language: str, codec: str, label: str | None):
    assert recovered(language, codec, label)


@pytest.mark.parametrize("language", ["de", "ru", "ja", "ar"])
@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("label", ["utf-8", "utf-16", "iso-8859-1", None])
def test_utf16_without_a_mark(language: str, codec: str, label: str | None):
    assert recovered(language, codec, label)


@pytest.mark.parametrize(("language", "codecs"), CODECS.items())
def test_a_right_label_is_believed(language: str, codecs: list[str]):
    text = page(SENTENCES[language])
    for codec in codecs:
        label = "macintosh" if codec == "mac-roman" else "x-mac-cyrillic" if codec == "mac-cyrillic" else codec
        decoded = decode_text(text.encode(codec), f"text/html; charset={label}")
        assert (decoded.text, decoded.replaced) == (text, 0)


def test_of_two_declarations_the_one_that_fits_is_taken():
    text = page(SENTENCES["ru"], meta("windows-1251"))
    for header in ("utf-8", "iso-8859-1", "shift_jis"):
        assert decode_text(text.encode("cp1251"), f"text/html; charset={header}").text == text
    twice = page(SENTENCES["pl"], meta("utf-8") + meta("iso-8859-2"))
    assert decode_text(twice.encode("iso-8859-2")).text == twice


def test_a_declaration_after_two_kilobytes_is_read():
    late = "<script>" + "x = 1;" * 400 + "</script>" + meta("koi8-r")
    decoded = decode_text(page(SENTENCES["ru"], late).encode("koi8-r"))
    assert (decoded.text, decoded.charset_from) == (page(SENTENCES["ru"], late), "meta")


def test_a_few_odd_characters_are_no_reason_to_doubt_a_label():
    text = page("Price: 5 \u00a4 a sack", meta("iso-8859-1"))
    assert decode_text(text.encode("latin-1")).text == text


def test_writing_is_likelier_than_the_same_bytes_read_wrongly():
    for language, text in SENTENCES.items():
        right = plausibility(text)[0]
        for codec in ("latin-1", "cp1251", "cp866"):
            wrong = text.encode("utf-8").decode(codec, "replace")
            assert plausibility(wrong)[0] < right - 0.25, language
    assert plausibility("plain ASCII") == (1.0, 0)
