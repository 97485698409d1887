"""Texts made by rules, in several manners: what classifiers and references are to tell apart."""

import json
import random
from collections.abc import Callable
from pathlib import Path

_WORDS = """
mill river stone wheel flour baker water grain field barn cart horse village winter harvest bread door lamp
turns carries grinds keeps follows crosses opens measures mends waits watches fills
because although while before after until when so that where
FREE WIN NOW click here best price deal bonus cash offer limited buy cheap discount hurry prize
stupid rotten filthy wretched useless hateful vile"""
NOUNS, VERBS, LINKS, HYPE, RUDE = (line.split() for line in _WORDS.strip().split("\n"))


def tale(chance: random.Random) -> str:
    """Sentences with a main clause and a subordinate one."""
    said = []
    for _ in range(chance.randint(4, 9)):
        a, b, c, d = chance.sample(NOUNS, 4)
        said.append(
            f"The {a} {chance.choice(VERBS)} the {b} {chance.choice(LINKS)} the {c} {chance.choice(VERBS)} a {d}."
        )
    return " ".join(said)


def advertisement(chance: random.Random) -> str:
    """Words of praise in no order, with some of the tales' nouns."""
    return " ".join(chance.choice(HYPE + NOUNS[:6]) + chance.choice(["", "", "!", "!!"]) for _ in range(50))


def insult(chance: random.Random) -> str:
    """A tale in which somebody is called names."""
    words = tale(chance).split(" ")
    for _ in range(4):
        words.insert(chance.randrange(len(words)), f"you {chance.choice(RUDE)} {chance.choice(NOUNS)}")
    return " ".join(words)


def template(chance: random.Random) -> str:
    """What a machine writes: the same phrases with one word changed."""
    topic = chance.choice(NOUNS)
    return " ".join(
        f"In conclusion, it is important to note that the {topic} plays a crucial role in the {chance.choice(NOUNS)}."
        for _ in range(5)
    )


def texts(manner: Callable[[random.Random], str], count: int, seed: int) -> list[str]:
    chance = random.Random(f"{manner.__name__} {seed}")
    return [manner(chance) for _ in range(count)]


def write_rows(path: Path, rows: list[dict]) -> Path:
    """Rows as JSONL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_texts(path: Path, given: list[str]) -> Path:
    """Texts as documents in JSONL."""
    return write_rows(path, [{"text": text} for text in given])
