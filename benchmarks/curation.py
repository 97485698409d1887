"""Does it pay? The spine's trainer on raw and on curated text, at equal tokens, on text that neither has seen.

    make run && python -m benchmarks.curation --lake lake --seeds 3

Two corpora of the recipe's sources: **raw** holds every document, copies too; **curated** is what the recipe's `decide`
keeps. Both have the recipe's mixture, and the raw one is cut to the bytes of the curated one. Two tokenizers would make
two kinds of tokens: both corpora get the one that was trained on the raw text. Each seed trains a model on each, with
the same first weights, for the same number of tokens.

What is scored: WikiText-2's validation text and the starts of six books, by paragraph, less every paragraph that shares
13 words in a row with any document of the sample (GPT-3's measure of contamination; Brown et al. 2020, appendix C).
Needs GRISTMILL_TEST_DATA. Each corpus and model is an artifact of the lake, so that a run that was stopped goes on.
"""

import argparse
import gzip
import json
import math
import os
import re
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from flows.annotations import annotate
from flows.grow import read, read_benchmark
from flows.learned import learn
from flows.recipe import Recipe, load_recipe
from storage.artifact import Artifact
from storage.lake import Lake
from tasks.compose import compose
from tasks.decide.rules import DecideConfig
from tasks.decide.stage import decide
from tasks.decide.thresholds import DuplicateRules
from tasks.pack import pack
from tasks.pretrain import pretrain
from tasks.run import running
from tasks.tokenize import fitting, tokenize
from tasks.train_tokenizer import train_tokenizer

NGRAM = 13
BOOKS = 6
BOOK_CHARACTERS = 150_000
WIKITEXT_CHARACTERS = 400_000
PIECE_CHARACTERS = 4000
"""Paragraphs are joined to pieces of about so many characters: a document of the evaluation."""
_WORDS = re.compile(r"\w+")


class Evaluated(NamedTuple):
    """A text to score, in pieces; `left_out`: paragraphs that the sample holds a part of."""

    name: str
    pieces: list[str]
    left_out: int


def evaluation_texts(data: Path) -> dict[str, str]:
    """WikiText-2's validation text, its marks of tokenization undone where they are plain, and the starts of books."""
    with gzip.open(data / "text" / "wikitext-2-valid.txt.gz", "rt", encoding="utf-8") as file:
        wikitext = re.sub(r" @(.)@ ", r"\1", file.read())
    wikitext = re.sub(r" ([.,;:!?)'%])", r"\1", wikitext.replace("<unk>", "it").replace("( ", "("))
    with gzip.open(data / "text" / "standardebooks.jsonl.gz", "rt", encoding="utf-8") as file:
        books = sorted((json.loads(line) for line in file), key=lambda book: book["id"])
    chosen = books[:: len(books) // BOOKS][:BOOKS]
    texts = {"WikiText-2, validation": re.sub(r" *\n[ \n]*", "\n\n", wikitext.strip())[:WIKITEXT_CHARACTERS]}
    return texts | {book["title"]: book["text"][:BOOK_CHARACTERS] for book in chosen}


def ngrams(text: str) -> Iterator[str]:
    """Runs of 13 words of a text, in lower case."""
    words = _WORDS.findall(text.lower())
    return (" ".join(words[start : start + NGRAM]) for start in range(len(words) - NGRAM + 1))


def decontaminate(texts: dict[str, str], documents: Sequence[Artifact]) -> list[Evaluated]:
    """The paragraphs of each text that share no run of 13 words with a document, joined to pieces."""
    wanted = {ngram for text in texts.values() for ngram in ngrams(text)}
    seen: set[str] = set()
    for artifact in documents:
        for batch in artifact.batches(["text"]):
            for text in batch.column("text").to_pylist():
                seen.update(ngram for ngram in ngrams(text or "") if ngram in wanted)
    found = []
    for name, text in texts.items():
        paragraphs = [paragraph for paragraph in text.split("\n\n") if paragraph.strip()]
        clean = [paragraph for paragraph in paragraphs if not any(ngram in seen for ngram in ngrams(paragraph))]
        pieces, size = [[]], 0
        for paragraph in clean:
            if size > PIECE_CHARACTERS:
                pieces.append([])
                size = 0
            pieces[-1].append(paragraph)
            size += len(paragraph)
        found.append(Evaluated(name, ["\n\n".join(piece) for piece in pieces if piece], len(paragraphs) - len(clean)))
    return found


def corpora(recipe: Recipe) -> tuple[dict[str, Artifact], list[Artifact]]:
    """The raw and the curated corpus of a recipe, of the same bytes for training, and the documents of both."""
    documents = [one for source in recipe.holding("documents") for one in read(source, recipe)]
    benchmarks = [one for source in recipe.benchmarks for one in read_benchmark(source, recipe)]
    scored = learn(recipe, read)
    annotations = [one for each in documents for one in annotate(each, scored, benchmarks=benchmarks)]
    everything = DecideConfig(
        gopher=None,
        repetition=None,
        duplicates=DuplicateRules(exact=False, near=False),
        validation_share=recipe.decide.validation_share,
    )
    made: dict[str, Artifact] = {}
    curated = decide(recipe.decide, documents=documents, annotations=annotations)
    made["curated"] = compose(recipe.mixture, decisions=curated, documents=documents)
    given = sum(row["bytes"] for row in made["curated"].read(table="mixture").to_pylist())
    raw = decide(everything, documents=documents, annotations=[one for one in annotations if one.stage != "edits"])
    plain = {"budget_bytes": given, "budget_tokens": None, "remove": (), "redact": {}}
    as_large = recipe.mixture.model_copy(update=plain)
    made["raw"] = compose(as_large, decisions=raw, documents=documents)
    return made, documents


def bits_per_byte(model: Artifact, texts: Sequence[Evaluated], threads: int) -> dict[str, float]:
    """Bits per UTF-8 byte of each text under a model, each piece by itself."""
    from models.compression import sequence_log_probability
    from models.formats.checkpoint import load_model
    from models.tokenizer import Tokenizer
    from models.training import fixed_arithmetic

    found = {}
    with fixed_arithmetic(threads):
        decoder = load_model(model.folder)
        tokenizer = Tokenizer.load(model.file("tokenizer.json"))
        start = np.array([tokenizer.end_of_text], np.int64)
        for text in texts:
            ids = tokenizer.encode(text.pieces)
            nats = sequence_log_probability(decoder, [start] * len(ids), ids, None, lambda done: None)
            found[text.name] = -sum(nats) / math.log(2) / sum(len(piece.encode()) for piece in text.pieces)
    return found


def train(recipe: Recipe, corpus: Artifact, tokenizer: Artifact, seed: int) -> Artifact:
    """A model of the recipe's shape and length on a corpus, with this seed of weights and of the order of rows."""
    tokens = tokenize(fitting(tokenizer), corpus=corpus, tokenizer=tokenizer)
    packing = pack(recipe.packing, tokens=tokens)
    training = recipe.training.training.model_copy(update={"seed": seed})
    config = recipe.training.model_copy(update={"training": training})
    return pretrain(config, packing=packing, tokens=tokens, tokenizer=tokenizer)


def table(results: dict[tuple[str, int], dict[str, float]], texts: Sequence[Evaluated], seeds: int) -> list[str]:
    """The results in Markdown: means of both corpora, the paired difference of each seed, its mean and standard error.

    A negative difference: the curated corpus is better.
    """
    lines = [
        "| text | paragraphs left out | raw | curated | curated − raw, by seed | mean ± standard error |",
        "|---|---|---|---|---|---|",
    ]
    for text in texts:
        raw, curated = ([results[name, seed][text.name] for seed in range(seeds)] for name in ("raw", "curated"))
        differences = [after - before for before, after in zip(raw, curated, strict=True)]
        error = statistics.stdev(differences) / math.sqrt(seeds) if seeds > 1 else math.nan
        each = ", ".join(f"{difference:+.4f}" for difference in differences)
        lines.append(
            f"| {text.name} | {text.left_out} | {statistics.mean(raw):.4f} | {statistics.mean(curated):.4f} | {each} | "
            f"{statistics.mean(differences):+.4f} ± {error:.4f} |"
        )
    return lines


def main() -> None:
    """Make the corpora, train the pairs, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", default="lake", help="the lake to work in (default: lake)")
    parser.add_argument("--recipe", default="sample", help="whose sources, thresholds and model (default: sample)")
    parser.add_argument("--seeds", type=int, default=3, help="pairs of models (default: 3)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="turn a dial of the recipe")
    asked = parser.parse_args()
    if not os.environ.get("GRISTMILL_TEST_DATA"):
        sys.exit("GRISTMILL_TEST_DATA names no folder: the texts that are scored are read from there.")
    from flows.sample import prepare_sample

    os.environ.setdefault("GRISTMILL_SAMPLE", str(prepare_sample()))
    recipe = load_recipe(asked.recipe, asked.set)
    texts = evaluation_texts(Path(os.environ["GRISTMILL_TEST_DATA"]))
    results: dict[tuple[str, int], dict[str, float]] = {}
    with running(Lake(asked.lake), "does curation pay", parameters={"seeds": asked.seeds}):
        made, documents = corpora(recipe)
        clean = decontaminate(texts, documents)
        tokenizer = train_tokenizer(recipe.tokenizer.training, corpus=made["raw"])
        for seed in range(asked.seeds):
            for name, corpus in made.items():
                model = train(recipe, corpus, tokenizer, seed)
                results[name, seed] = bits_per_byte(model, clean, recipe.training.training.threads)
                print(f"{name}, seed {seed}: {results[name, seed]}", flush=True)
    kept = {name: corpus.rows() for name, corpus in made.items()}
    print(f"\nDocuments in the corpora: {kept['raw']:,} raw, {kept['curated']:,} curated.\n")
    print("\n".join(table(results, clean, asked.seeds)))


if __name__ == "__main__":
    main()
