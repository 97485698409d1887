"""A small world of our own writing: pages in several languages in WARC files, conversations and questions.

Everything follows from a seed: the same bytes each time.
"""

import io
import json
import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

PEOPLE = ["the miller", "her brother", "an old farmer", "the baker", "a tired driver", "the carpenter", "his neighbour"]
DEEDS = ["carries", "grinds", "weighs", "sells", "buys", "stores", "counts", "dries", "sifts", "loads"]
THINGS = ["the grain", "seven sacks of flour", "a cart of barley", "the broken wheel", "the new stones", "some bread"]
PLACES = ["at the mill", "by the river", "in the village", "behind the barn", "on the market square", "near the bridge"]
TIMES = ["in the morning", "before winter", "every week", "after the harvest", "when the wind turns", "at night"]

GERMAN = ["der Müller", "seine Schwester", "die Bäckerin", "ein alter Bauer", "der Nachbar"]
GERMAN_DEEDS = [
    "trägt das Korn zur Mühle",
    "verkauft drei Säcke Mehl",
    "wiegt die Gerste genau ab",
    "repariert das Rad",
]
GERMAN_TIMES = ["am frühen Morgen", "vor dem Winter", "nach der Ernte", "wenn der Wind sich dreht"]

DATE = "2026-01-02T03:04:05Z"


def sentence(draw: random.Random) -> str:
    """One English sentence."""
    subject, verb, thing = draw.choice(PEOPLE), draw.choice(DEEDS), draw.choice(THINGS)
    words = f"{subject} {verb} {thing} {draw.choice(PLACES)} {draw.choice(TIMES)}"
    return words[0].upper() + words[1:] + "."


def german(draw: random.Random) -> str:
    """One German sentence."""
    words = f"{draw.choice(GERMAN)} {draw.choice(GERMAN_DEEDS)}, und das {draw.choice(GERMAN_TIMES)}"
    return words[0].upper() + words[1:] + "."


def page(draw: random.Random, title: str, language: str, paragraphs: int) -> str:
    """An HTML page with navigation, a body of paragraphs, and a footer."""
    say = german if language == "de" else sentence
    body = "\n".join(f"<p>{' '.join(say(draw) for _ in range(draw.randint(3, 7)))}</p>" for _ in range(paragraphs))
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title></head><body>'
        f'<nav><a href="/">Home</a> <a href="/about">About</a></nav><main><h1>{title}</h1>{body}</main>'
        "<footer>All rights to the mill.</footer></body></html>"
    )


def write_warc(path: Path, first: int, pages: int) -> int:
    """A WARC file of pages, their requests, a redirect, a picture and an error; returns the number of records."""
    draw = random.Random(first)
    path.parent.mkdir(parents=True, exist_ok=True)
    records = 0
    with open(path, "wb") as stream:
        writer = WARCWriter(stream, gzip=True)

        def add(kind: str, url: str | None, http: tuple[str, list[tuple[str, str]]] | None, payload: bytes) -> None:
            nonlocal records
            headers = {
                "WARC-Date": DATE,
                "WARC-Record-ID": f"<urn:uuid:00000000-0000-4000-8000-{first * 1000 + records:012d}>",
            }
            start = StatusAndHeaders(http[0], http[1], protocol="HTTP/1.1") if http else None
            if kind == "request":
                start = StatusAndHeaders("GET / HTTP/1.1", [("Host", "mill.example")], is_http_request=True)
            kwargs = {"warc_headers_dict": headers, "payload": io.BytesIO(payload), "length": len(payload)}
            writer.write_record(writer.create_warc_record(url or "", kind, http_headers=start, **kwargs))
            records += 1

        html = [("Content-Type", "text/html; charset=utf-8")]
        add("warcinfo", None, None, b"software: a test of our own\r\n")
        for number in range(first, first + pages):
            language = "de" if number % 5 == 4 else "en"
            text = page(draw, f"Page {number} of the mill", language, 2 + number % 7)
            if number % 11 == 10:
                text = page(random.Random(77), "A page that stands in many places", "en", 5)
            url = f"http://mill.example/{language}/{number}"
            add("request", url, None, b"")
            add("response", url, ("200 OK", html), text.encode())
        add("response", "http://mill.example/moved", ("301 Moved", [("Location", "/")]), b"")
        add("response", "http://mill.example/wheel.png", ("200 OK", [("Content-Type", "image/png")]), b"\x89PNG\r\n")
        add("response", "http://mill.example/gone", ("404 Not Found", html), b"<html>gone</html>")
    return records


def write_conversations(path: Path, count: int = 120) -> None:
    """Questions about sums and their answers, as messages."""
    draw = random.Random(3)
    rows = []
    for number in range(count):
        a, b = draw.randint(0, 9), draw.randint(0, 9)
        messages = [
            {"role": "user", "content": f"The miller has {a} sacks and buys {b} more. How many?"},
            {"role": "assistant", "content": f"{a} and {b} are {a + b} sacks."},
        ]
        rows.append({"id": f"talk-{number}", "messages": messages, "license": "CC0-1.0"})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_questions(path: Path, task: str, count: int = 40) -> None:
    """Multiple-choice questions with their gold answers."""
    draw = random.Random(task)
    rows = []
    for number in range(count):
        a, b = draw.randint(0, 9), draw.randint(0, 9)
        choices = [f"{a + b} sacks", f"{a + b + 1} sacks", f"{a + b + 2} sacks"]
        gold = draw.randrange(3)
        choices[0], choices[gold] = choices[gold], choices[0]
        context = f"The miller has {a} sacks and buys {b} more. Now there are"
        rows.append({"id": f"{task}-{number}", "task": task, "context": context, "choices": choices, "gold": gold})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


RECIPE = """
name: mill
sources:
  - {name: pages, path: pages, license: CC0-1.0}
  - {name: talks, path: talks, holds: conversations, license: CC0-1.0}
  - {name: quiz, path: quiz, holds: questions, license: CC0-1.0}
decide:
  language: {min_probability: 0.3}
  gopher: {min_words: 30, min_stop_words: 0}
  repetition: null
  validation_share: 0.2
tokenizer:
  name: mill-tokenizer
  training: {vocabulary_size: 512}
packing: {context_length: 64}
training:
  model: {depth: 1, width: 32, heads: 2, key_value_heads: 1, head_width: 16}
  training: {steps: 24, tokens_per_step: 256}
  validations: 2
  validation_rows: 8
  checkpoint_every: 6
finetuning: {steps: 20, tokens_per_step: 256, held_out: 16, validations: 2, checkpoint_every: 5}
evaluation: {validation_bytes: 20000, items: 20, sample_tokens: 8, prompts: [The miller], messages: ["How many?"]}
"""


def write_world(folder: Path, warcs: int = 3, recipe: str = RECIPE) -> Path:
    """Sources and a recipe in a folder; returns the recipe's path."""
    for number in range(warcs):
        write_warc(folder / "pages" / f"crawl-{number}.warc.gz", 100 * number, 12 + 9 * number)
    write_conversations(folder / "talks" / "talks.jsonl")
    for task in ("sums", "more"):
        write_questions(folder / "quiz" / f"{task}.jsonl", task)
    path = folder / "mill.yaml"
    path.write_text(recipe, encoding="utf-8")
    return path


def write_page(path: Path, url: str, html: str) -> None:
    """A WARC file of one page. Its bytes may stand between those of others: archives laid end to end are one."""
    write_captures(path, [(url, DATE, html)])


def write_captures(path: Path, captures: Sequence[tuple[str, str, str]]) -> None:
    """A WARC file of pages: URL, date and HTML of each; a URL may stand in it more than once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as stream:
        writer = WARCWriter(stream, gzip=True)
        for number, (url, date, html) in enumerate(captures):
            headers = {"WARC-Date": date, "WARC-Record-ID": f"<urn:uuid:00000000-0000-4000-9000-{number:012d}>"}
            http = StatusAndHeaders("200 OK", [("Content-Type", "text/html; charset=utf-8")], protocol="HTTP/1.1")
            payload = html.encode()
            kwargs = {"warc_headers_dict": headers, "http_headers": http, "length": len(payload)}
            writer.write_record(writer.create_warc_record(url, "response", payload=io.BytesIO(payload), **kwargs))


def never_read(path: Path) -> int:
    """Set the time of the last reading far back, where any reading moves it (also under relatime); gives that time."""
    os.utime(path, ns=(1_000_000_000, path.stat().st_mtime_ns))
    return path.stat().st_atime_ns


def need_times_of_reading(folder: Path) -> None:
    """Skip the test if a file of this folder that is read for sure keeps its old time of reading."""
    control = folder / "control"
    control.write_text("A file that is read.")
    before = never_read(control)
    control.read_text()
    after = control.stat().st_atime_ns
    control.unlink()
    if after == before:
        pytest.skip(f"the file system of {folder} does not keep times of reading: no old file is seen to stay unread")
