"""datatrove's NGramsDecontFilter over the documents of the contest."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.decont import NGramsDecontConfig, NGramsDecontFilter
from datatrove.utils.text import ngrams, simplify_text

NGRAM = 13


def decontaminate(folder: Path, output: Path) -> Callable[[], int]:
    """The filter; its index is made here with its own tokenizer and hash, for its indexer asks for another package."""
    texts = [json.loads(line) for line in (folder / "texts.jsonl").read_text(encoding="utf-8").split("\n") if line]
    items = json.loads((folder / "items.json").read_text(encoding="utf-8"))
    config = NGramsDecontConfig(n_grams=NGRAM)
    index = output.with_name(f"{output.name}-index")
    index.mkdir(exist_ok=True)
    made = NGramsDecontFilter(str(index), config)
    hashes: set[int] = set()
    for item in items:
        words = made.tokenizer.word_tokenize(simplify_text(item, config.norm_config))
        hashes.update(made.hash_func(" ".join(one)) for one in ngrams(words, NGRAM))
    np.array(sorted(hashes), dtype=config.hash_config.np_descr).tofile(index / "gsm8k.index.hashes")
    made.load_index_hashes()
    documents = [Document(text=text, id=str(number), metadata={}) for number, text in enumerate(texts)]

    def work() -> int:
        found = [made.filter(document) is not True for document in documents]
        output.write_text(json.dumps(found), encoding="utf-8")
        return len(documents)

    return work
