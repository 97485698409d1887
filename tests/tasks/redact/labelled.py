"""The labelled set: sentences of our own in which what is to be found stands between ⟦kind| and ⟧, and tricky others.

Names, hosts and numbers are invented; phone numbers are from ranges that regulators keep for films and books, where
there are such. `POSITIVES` hold spans, `NEGATIVES` none; each line is (language, sentence).
"""

import random
import re
from collections.abc import Iterator

from stdnum import luhn

MARK = re.compile(r"⟦(\w+)\|(.*?)⟧", re.DOTALL)

POSITIVES: list[tuple[str, str]] = [
    ("en", "Write to ⟦email|anna.kowalska@millhouse-bakery.com⟧ before noon."),
    ("en", "Contact: <⟦email|j.o'neill@grainworks.co.uk⟧>".replace("j.o'neill", "j.oneill")),
    ("en", "Send it to ⟦email|orders+spring@stonemill.io⟧, not to the office."),
    ("en", "mailto:⟦email|clerk_7@weir.museum⟧?subject=Flour"),
    ("en", "(⟦email|B.Sluice@RIVERBANK.ORG⟧)"),
    ("en", "Two of them: ⟦email|a1@b2.net⟧;⟦email|c3@d4.net⟧"),
    ("de", "Rückfragen bitte an ⟦email|jürgen.müller@muehle.de⟧.".replace("jürgen.müller", "juergen.mueller")),
    ("en", "Our clerk (⟦email|first.last@sub.domain.mill.edu⟧) answers within a day."),
    ("ja", "お問い合わせは⟦email|info@suisha-kan.co.jp⟧まで。"),
    ("ru", "Пишите на ⟦email|melnik@zerno.ru⟧, ответим."),
    ("ar", "راسلنا على ⟦email|taheen@matahin.com.sa⟧ اليوم"),
    ("en", "email='⟦email|night.shift@millwheel.net⟧'"),
    ("en", "From: Old Miller <⟦email|old.miller@xn--mhle-0ra.de⟧>"),
    ("en", "Write to ⟦email|jane at kornhaus dot org⟧ instead."),
    ("en", "Spam-proof: ⟦email|joe [at] kornhaus [dot] org⟧."),
    ("en", "Spam-proof: ⟦email|joe.b(at)kornhaus.org⟧."),
    ("en", "My address is ⟦email|miller AT watermill DOT net⟧"),
    ("en", "The gateway answered from ⟦ip|81.2.69.142⟧ at dawn."),
    ("en", "Blocked: ⟦ip|93.184.216.34⟧ and ⟦ip|151.101.1.69⟧; DNS ⟦ip|8.8.4.4⟧."),
    ("en", "curl http://⟦ip|93.184.216.34⟧:8080/index.html"),
    ("en", "ssh root@⟦ip|45.33.32.156⟧"),
    ("en", '⟦ip|66.249.66.1⟧ - - [10/Oct/2023:13:55:36] "GET / HTTP/1.1" 200'),
    ("en", "It resolves to ⟦ip|2a00:1450:4001:81b::200e⟧ there."),
    ("en", "ping6 ⟦ip|2606:2800:220:1:248:1893:25c8:1946⟧"),
    ("en", "listen [⟦ip|2a03:2880:f12f:83:face:b00c:0:25de⟧]:443"),
    ("de", "Die Adresse ⟦ip|85.214.132.117⟧ wurde gesperrt."),
    ("en", "Call ⟦phone|+1 202-555-0143⟧ for details."),
    ("en", "Call us at ⟦phone|(202) 555-0143⟧ any day."),
    ("en", "Phone: ⟦phone|202-555-0187⟧."),
    ("en", "Office ⟦phone|+44 20 7946 0018⟧, ask for the miller."),
    ("en", "Tel. ⟦phone|020 7946 0991⟧"),
    ("de", "Tel.: ⟦phone|030 23125 014⟧"),
    ("de", "Telefon ⟦phone|+49 (0)30 23125-882⟧ oder Fax ⟦phone|+49 30 23125 883⟧"),
    ("de", "Rufnummer: ⟦phone|0171 39200 45⟧"),
    ("fr", "Téléphone : ⟦phone|01 42 68 53 00⟧"),
    ("fr", "Appelez le ⟦phone|06 12 34 56 78⟧ avant midi."),
    ("fr", "Contact ⟦phone|+33 1 42 68 53 00⟧"),
    ("es", "Teléfono: ⟦phone|912 34 56 78⟧"),
    ("es", "Móvil ⟦phone|+34 612 34 56 78⟧, por la tarde."),
    ("it", "Telefono ⟦phone|06 6982 1234⟧"),
    ("nl", "Telefoon: ⟦phone|020 624 1111⟧"),
    ("pl", "Tel. ⟦phone|22 694 60 01⟧"),
    ("sv", "Telefon ⟦phone|08-508 280 00⟧"),
    ("pt", "Telefone: ⟦phone|(11) 3061-5000⟧"),
    ("ru", "Телефон: ⟦phone|8 (495) 739-22-22⟧"),
    ("ja", "電話:⟦phone|03-3213-1111⟧"),
    ("zh", "电话:⟦phone|010-6552 9988⟧"),
    ("en", "WhatsApp ⟦phone|+91 98765 43210⟧"),
    ("en", "My mobile is ⟦phone|+61 491 570 006⟧"),
    ("en", "Card ⟦credit_card|4539 1488 0343 6467⟧, expiry 09/27"),
    ("en", "paid with ⟦credit_card|5425233430109903⟧ yesterday"),
    ("en", "Amex ⟦credit_card|3782 822463 10005⟧"),
    ("en", "card number: ⟦credit_card|6011-1111-1111-1117⟧."),
    ("en", "test card ⟦credit_card|4111 1111 1111 1111⟧"),
    ("de", "Kreditkarte ⟦credit_card|3530 1113 3330 0000⟧"),
    ("de", "IBAN: ⟦iban|DE89 3704 0044 0532 0130 00⟧"),
    ("de", "Bitte auf ⟦iban|DE89370400440532013000⟧ überweisen."),
    ("en", "Pay into ⟦iban|GB29 NWBK 6016 1331 9268 19⟧ by Friday."),
    ("fr", "Compte ⟦iban|FR14 2004 1010 0505 0001 3M02 606⟧"),
    ("nl", "Rekening ⟦iban|NL91ABNA0417164300⟧."),
    ("es", "Cuenta ⟦iban|ES91 2100 0418 4502 0005 1332⟧"),
    ("it", "Conto ⟦iban|IT60X0542811101000000123456⟧"),
    ("pl", "Konto ⟦iban|PL61 1090 1014 0000 0712 1981 2874⟧"),
    ("es", "Con DNI ⟦national_id|12345678Z⟧ en la mano."),
    ("es", "NIE: ⟦national_id|X2482300W⟧"),
    ("it", "Codice fiscale ⟦national_id|RCCMNL83S18D969H⟧ del mugnaio"),
    ("fr", "Numéro de sécurité sociale : ⟦national_id|2 95 10 99 126 111 93⟧"),
    ("de", "Steuer-ID ⟦national_id|36 574 261 809⟧"),
    ("de", "Steueridentifikationsnummer: ⟦national_id|36574261809⟧"),
    ("pl", "PESEL ⟦national_id|44051401359⟧"),
    ("sv", "Personnummer: ⟦national_id|811228-9874⟧"),
    ("fi", "Henkilötunnus on ⟦national_id|131052-308T⟧."),
    ("nl", "BSN: ⟦national_id|111222333⟧"),
    ("pt", "CPF ⟦national_id|390.533.447-05⟧"),
    ("zh", "身份证号 ⟦national_id|360426199101010071⟧"),
    ("hi", "Aadhaar: ⟦national_id|2341 2341 2346⟧"),
    ("en", "aws_access_key_id = ⟦secret|AKIAQ3EGSKPM7VTZ4RWL⟧"),
    ("en", 'api_key = "⟦secret|q9XvT2mLr8Zp4KwB1nYc⟧"'),
    ("en", "const API_TOKEN: string = '⟦secret|7f3c9a1e5b8d2064c7e9f1a3b5d70826⟧';"),
    ("en", '"client_secret": "⟦secret|Zx81kQwe7Rt5Yu3Io9Pa2Sd4Fg6Hj⟧",'),
    ("en", "export GITHUB_TOKEN=⟦secret|ghp_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5⟧"),
    ("en", "slack: ⟦secret|xoxb-2048163264-4096128256-aQzWsXeDcRfVtGbYhNuJmIkO⟧"),
    ("en", "maps key ⟦secret|AIzaSyB7kQ2wE9rT4yU6iO1pA3sD5fG8hJ0kL2z⟧."),
    ("en", "stripe.api_key = '⟦secret|sk_live_4eC39HqLyjWDarjtT1zdp7dc⟧'"),
    ("en", "OPENAI_KEY=⟦secret|sk-proj-T7gB2mK9xQ4wL6vR1nZ8cY3pD5fH0jS2aE⟧"),
    ("en", "Bearer ⟦secret|eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtaWxsZXItNDIifQ.k7Qz3Wv9Xn1Lm5Rt8Yp2Bc4Df6Gh0Jk⟧"),
    ("en", "hf login ⟦secret|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⟧"),
    (
        "en",
        "⟦secret|-----BEGIN RSA PRIVATE KEY-----\nMIIBOgIBAAJBAKj34GkxFhD90vcNLYLI\n-----END RSA PRIVATE KEY-----⟧\n",
    ),
    ("en", 'DB_PASSWORD: "⟦secret|t0Kx-93Lm_28qRz7Wv⟧"'),
    ("en", "Mail ⟦email|anna@stonemill.io⟧ or call ⟦phone|+44 20 7946 0300⟧ from ⟦ip|81.2.69.160⟧."),
    ("en", "№ 5 — ünïcödé 🐟 before: ⟦email|fish@pond-mill.com⟧ 🐟 ⟦ip|81.2.69.161⟧ 🐟"),
]

NEGATIVES: list[tuple[str, str]] = [
    ("en", "Version 1.2.3.4 of the firmware is out; v5.6.7.8 comes next."),
    ("en", "Install libmill-1.2.3.4.tar.gz and mill_4.3.2.1-2_amd64.deb."),
    ("en", "Browser/11.22.33.44 (compatible)"),
    ("en", "OID 1.3.6.1.4.1.311 and section 4.3.2.1 of the manual"),
    ("en", "The router is 192.168.1.1, the mask 255.255.255.0, the loop 127.0.0.1."),
    ("en", "Hosts 10.0.0.12, 172.16.5.4, 169.254.1.1, 224.0.0.251 and 0.0.0.0"),
    ("en", "As in 192.0.2.44, 198.51.100.7, 203.0.113.9 and 2001:db8::42 of the examples"),
    ("en", "fe80::1%eth0, ::1 and fd12:3456:789a::1 stay at home"),
    ("en", "As clause 12.4.3.1 says, and 13.2.5.8 repeats; see 2.7.2.2"),
    ("de", "*   1.14.2.1\n\n*   1.14.2.2 Nummer 1.2.4.1 aus dem Anhang"),
    ("en", "Networks 2002::/16 and fec0::/10; Decimal('+35236450.6')"),
    ("en", "300.1.2.3 and 1.2.3 and 1.2.3.4.5 are nothing."),
    ("en", "At 12:34:56 std::vector<int> a::b was born; MAC 00:1a:2b:3c:4d:5e"),
    ("en", "C++: abc::def and cafe::babe::load()"),
    ("en", "ISBN 978-3-16-148410-0 and ISBN 0-306-40615-2"),
    ("en", "ISSN 2049-3630, DOI 10.1038/s41586-020-2649-2"),
    ("en", "sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
    ("en", "commit 4ec39c1d9e7f0a2b3c4d5e6f708192a3b4c5d6e7 fixed it"),
    ("en", "uuid 550e8400-e29b-41d4-a716-446655440000"),
    ("en", "Timestamps 1699999999, 1699999999123, 20231114221319 and 2023-11-14 22:13:19"),
    ("en", "Part number 4539-1488-0343-6466 and order 1234567890123456"),
    ("en", "pi is 3.14159265358979323846, e is 2.718281828459045"),
    ("en", "0x7fff5fbff8a0 and 0xDEADBEEF are places"),
    ("en", "Figures: 1 234 567, 12,345,678 and 1995 1996 1997 1998 1999 2000 2001"),
    ("en", "Between 2019-2020 and 1914-1918; pages 1123-1187; 555-0143"),
    ("en", "GPS 52.520008, 13.404954 and -33.8688, 151.2093"),
    ("en", "a[1000000:2000000] += 3000000 - 4000000 * 5000000"),
    ("en", "@property and @media (max-width: 600px) and npm i @scope/package@1.2.3"),
    ("en", "icon@2x.png, sprite@3x.webp and q @ k.T"),
    ("en", "y = self.q@self.k.transpose(-1)"),
    ("en", "Follow @oldmiller, or see medium.com/@oldmiller"),
    ("en", "Mail nobody@example.com, test@example.org or root@localhost."),
    ("en", "https://user:pw@mill.example/path and git@github.com:mill/mill.git"),
    ("en", "https://cdn.mill.dev/npm/react@18.2.0/index.js"),
    ("en", "We met at noon; the dot on the map is at the mill."),
    ("en", "Look at line 3, dot it, and stop at the end."),
    ("en", "He arrived at paris. Then he left."),
    ("en", 'password = "changeme-please-now1"; token = "YOUR_TOKEN_GOES_HERE1"'),
    ("en", 'api_key = "xxxxxxxxxxxxxxxxxxxx"; key = "<your-api-key-here>"'),
    ("en", "secret = os.environ['MILL_SECRET_NAME_1']"),
    ("en", 'key = "application/vnd.mill.v2+json"; keyboard = "qwertz-layout-de-105"'),
    ("en", 'primary_key = "customer_order_line_id"'),
    ("en", 'integrity="sha384-oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8K/uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC"'),
    ("en", "-----BEGIN CERTIFICATE-----\nMIIBkTCB+wIJAK\n-----END CERTIFICATE-----"),
    ("en", "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEB\n-----END PUBLIC KEY-----"),
    ("en", "AKIA is a prefix; ghp_ too; sk-learn and sk-something-like-this-is-a-css-class"),
    ("en", "The AKIAXXXXXXXXXXXXXXXX of the manual"),
    ("en", "model GB29NWBK60161331926818 has a wrong sum"),
    ("de", "Bestellnummer DE88 3704 0044 0532 0130 00"),
    ("es", "Pieza 12345678Z del catálogo"),
    ("es", "DNI 12345678A"),
    ("it", "RCCMNL83S18D969X"),
    ("pl", "numer 44051401359 bez słowa"),
    ("pl", "PESEL 44051401358"),
    ("fi", "131052-308A"),
    ("nl", "BSN 111222334"),
    ("pt", "CPF 390.533.447-06"),
    ("de", "Die Zahl 36574261809 und die Jahre 1999/2000, 2001-2002"),
    ("fr", "Référence 2 95 10 99 126 111 93"),
    ("en", "SSN 078-05-1120 has no checksum"),
    ("en", "Serial no. 8675309-24601-1138-42"),
    ("en", "Bank 2023 report: 4539 units, 1488 sacks, 0343 tons, 6467 loaves"),
    ("en", "x = [4539, 1488, 343, 6467]; 4.539148803436467"),
    ("en", "IMEI 490154203237518, EAN 4006381333931"),
    ("en", "RFC 2606, ISO 9001:2015, IEC 60601-1-2, MIL-STD-810"),
    ("en", "1/2/2023 10:30 - 11:45; 10-12-2024 08.15"),
    ("en", "The sum 1+2+3+4+5+6+7+8+9 = 45; (1234567)"),
    ("en", "Chapter 1.1.1.1, release 20.04.6.1, build 10.0.19041.1288"),
    ("ja", "2023年11月14日 12時34分 第1234567号"),
    ("zh", "订单号 202311140001234567"),
    ("ru", "Заказ 8495739222212345"),
]

# One sentence for each kind of generated item, with a gap for it.
AROUND = {
    "email": ["Please write to {} today.", "<{}>", "Kontakt: {}.", "{} wrote:", "お問い合わせ:{}。"],
    "ip": ["Host {} is down.", "from {}:443 at noon", "({})", "addr={};"],
    "credit_card": ["Card {} was charged.", "Karte: {}.", "({})"],
    "iban": ["IBAN {}.", "to the account {} today", "Konto {};"],
    "phone": ["Call {} now.", "Tel: {}.", "({})"],
}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def generate(seed: int, count: int) -> Iterator[tuple[str, str]]:
    """So many sentences of each kind with a random item, in the notation of POSITIVES; each seed gives others."""
    draw = random.Random(seed)
    for _ in range(count):
        for kind, sentences in AROUND.items():
            yield "en", draw.choice(sentences).format(f"⟦{kind}|{_item(kind, draw)}⟧")


def _item(kind: str, draw: random.Random) -> str:
    def word(low: int, high: int) -> str:
        return "".join(draw.choices(LETTERS, k=draw.randint(low, high)))

    if kind == "email":
        name = (
            draw.choice(["", word(1, 8) + draw.choice("._-")])
            + word(2, 9)
            + draw.choice(["", str(draw.randint(1, 99))])
        )
        return f"{name}@{word(3, 12)}.{draw.choice(['com', 'org', 'de', 'co.uk', 'net', 'info', 'io', 'edu', 'fr'])}"
    if kind == "ip":
        # of ranges that are all public: no special-purpose range begins with these
        return f"{draw.choice([5, 31, 46, 62, 77, 81, 93, 151, 212])}." + ".".join(
            str(draw.randint(0, 255)) for _ in range(3)
        )
    if kind == "credit_card":
        start, length, groups = draw.choice([("4", 16, 4), ("52", 16, 4), ("37", 15, 0), ("6011", 16, 4)])
        body = start + "".join(draw.choices("0123456789", k=length - 1 - len(start)))
        digits = body + luhn.calc_check_digit(body)
        if not groups or draw.random() < 0.5:
            return digits
        return draw.choice(" -").join(digits[place : place + groups] for place in range(0, length, groups))
    if kind == "iban":
        country, form = draw.choice([("DE", "0" * 18), ("FR", "0" * 23), ("NL", "AAAA" + "0" * 10), ("PL", "0" * 24)])
        account = "".join(draw.choice("ABCDEFGHIJKLM" if sign == "A" else "0123456789") for sign in form)
        value = int("".join(str(int(sign, 36)) for sign in f"{account}{country}00"))
        code = f"{country}{98 - value % 97:02d}{account}"
        return code if draw.random() < 0.5 else " ".join(code[place : place + 4] for place in range(0, len(code), 4))
    return draw.choice(
        ["+1 202-555-01{:02d}", "+44 20 7946 0{:03d}", "+49 30 23125 {:03d}", "+61 491 570 1{:02d}"]
    ).format(draw.randint(10, 99))


def read(sentence: str) -> tuple[str, list[tuple[int, int, str]]]:
    """A sentence in the notation as its text and its spans."""
    text, spans, last = "", [], 0
    for found in MARK.finditer(sentence):
        text += sentence[last : found.start()]
        spans.append((len(text), len(text) + len(found[2]), found[1]))
        text += found[2]
        last = found.end()
    return text + sentence[last:], spans
