"""`python -m benchmarks.train_pages`: learn our extractor's networks and write `tasks/extract/pages/weights.npz`.

What is learned from: of trafilatura's evaluation pages, fundus's news and readability's pages, those whose domain is
not held out (`benchmarks.labelled`). A block's label is

- on news pages: whether the publisher's body holds it;
- on trafilatura's pages: whether a wanted or an unwanted string stands in it; of the other blocks, how many of
  trafilatura's four modes keep it, with a small weight;
- on readability's pages: whether its recorded output holds it, and the four modes, with a small weight.

`--folds N` cross-validates on the same pages and writes nothing. Needs GRISTMILL_TEST_DATA, and some minutes.
"""

import argparse
import hashlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.labelled import LabelledPage, read_pages, snippet_scores, token_scores
from tasks.extract.charset import decode_text
from tasks.extract.config import ExtractConfig
from tasks.extract.pages import features
from tasks.extract.pages.layout import read_layout
from tasks.extract.pages.libraries import MODES, by_trafilatura
from tasks.extract.pages.network import WEIGHTS, features_of
from tasks.extract.pages.opinion import Held, block_texts, squeezed
from tasks.extract.payload import Refused

WIDTH, REACH, LAYERS, NETS = 32, 2, 2, 3
EPOCHS, RATE, DROPPED, PAGES_A_STEP = 12, 3e-3, 0.4, 4
BLOCKS_A_PAGE = 600
"""A longer page is cut to so many blocks, anew in each epoch."""


@dataclass
class Example:
    """A page for learning: its blocks' texts, features, labels (0 to 1) and weights."""

    page: LabelledPage
    texts: list[str]
    ids: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    chances: np.ndarray = field(default_factory=lambda: np.zeros(0))


def example(page: LabelledPage) -> Example | None:
    """A page with the labels of its blocks; None for one without blocks."""
    config, html = ExtractConfig(), decode_text(page.body).text
    try:
        layout = read_layout(html, config)
    except Refused:
        return None
    if not len(layout.blocks):
        return None
    texts = block_texts(layout)
    sizes = np.array([len(text) for text in texts])
    labels, weights = (_news_labels if page.kind == "news" else _other_labels)(page, html, texts, sizes)
    ids = torch.from_numpy(features_of(layout)[:, :110].astype(np.int64))
    ids[ids < 0] = features.COUNT
    return Example(page, texts, ids, torch.tensor(labels).float(), torch.tensor(weights).float())


def _news_labels(
    page: LabelledPage, html: str, texts: list[str], sizes: np.ndarray
) -> tuple[Sequence[float], np.ndarray]:
    body = page.truth["expected"]["body"]
    parts = [part for section in body["sections"] for part in (*section["headline"], *section["paragraphs"])]
    parts = [*body["summary"], *parts]
    held, whole = Held("\n".join(parts)), {squeezed(part) for part in parts}

    def wanted(text: str) -> bool:
        own = squeezed(text)
        return text in held or any(part in own for part in whole if len(part) > 0.6 * len(own))

    return [float(wanted(text)) for text in texts], np.clip(sizes / 60, 0.3, 4)


def _other_labels(page: LabelledPage, html: str, texts: list[str], sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    opinions = []
    for mode in MODES:
        try:
            opinions.append(Held(by_trafilatura(html, page.url, mode, ExtractConfig())))
        except Refused:
            opinions.append(Held(""))
    shared = np.array([sum(text in held for held in opinions) / len(opinions) for text in texts])
    weights = 0.3 * np.clip(np.sqrt(sizes / 60), 0.4, 2)
    if page.kind == "readability":
        expected = Held("\n".join(block_texts(read_layout(page.truth["expected"], ExtractConfig()))))
        return 0.6 * np.array([text in expected for text in texts]) + 0.4 * shared, weights
    labels, plain = shared.copy(), [" ".join(text.split()) for text in texts]
    for key, label in (("with", 1.0), ("without", 0.0)):
        for snippet in (" ".join(snippet.split()) for snippet in page.truth[key]):
            found = [index for index, text in enumerate(plain) if snippet in text]
            if label and len(found) > 1:  # one of them has to be kept: those that are, else the longest
                found = [index for index in found if shared[index] >= 0.5] or [max(found, key=sizes.__getitem__)]
            for index in found:
                if label or len(snippet) >= 0.5 * len(plain[index]) or shared[index] <= 0.5:
                    labels[index], weights[index] = label, 2.5
    return labels, weights


class Network(nn.Module):
    """The network of `tasks.extract.pages.network`, as it is learned: features are dropped at random."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(features.COUNT + 1, WIDTH, padding_idx=features.COUNT)
        nn.init.normal_(self.embedding.weight, 0, 0.15)
        self.embedding.weight.data[-1] = 0
        self.bias = nn.Parameter(torch.zeros(WIDTH))
        self.windows = nn.ModuleList(nn.Conv1d(WIDTH, WIDTH, 2 * REACH + 1, padding=REACH) for _ in range(LAYERS))
        self.last = nn.Linear(WIDTH, 1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits of a page's blocks from their features."""
        scale = 1.0
        if self.training:
            ids, scale = ids.masked_fill(torch.rand(ids.shape) < DROPPED, features.COUNT), 1 / (1 - DROPPED)
        hidden = torch.relu(self.embedding(ids).sum(1) * scale + self.bias).t()[None]
        hidden = nn.functional.dropout(hidden, 0.1, self.training)
        for window in self.windows:
            hidden = hidden + torch.relu(window(hidden))
        return self.last(hidden[0].t())[:, 0]


def learn(examples: list[Example], seed: int) -> Network:
    """A network learned from these pages."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    network = Network().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-3)
    steps = EPOCHS * -(-len(examples) // PAGES_A_STEP)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(EPOCHS):
        order = random.permutation(len(examples))
        for start in range(0, len(order), PAGES_A_STEP):
            optimizer.zero_grad()
            loss = torch.zeros(())
            for index in order[start : start + PAGES_A_STEP]:
                one = examples[index]
                first = int(random.integers(0, max(len(one.texts) - BLOCKS_A_PAGE, 0) + 1))
                part = slice(first, first + BLOCKS_A_PAGE)
                weights = one.weights[part]
                losses = nn.functional.binary_cross_entropy_with_logits(
                    network(one.ids[part]), one.labels[part], reduction="none"
                )
                loss = loss + (losses * weights).sum() / (weights.sum() + 10)
            (loss / PAGES_A_STEP).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return network.eval()


def save(networks: list[Network], path: Path) -> None:
    """Write the networks' weights as float16, one after the other along the first axis of each array."""

    def stacked(arrays: list[torch.Tensor]) -> np.ndarray:
        return np.stack([array.detach().numpy().astype(np.float16) for array in arrays])

    np.savez_compressed(
        path,
        embedding=stacked([one.embedding.weight[:-1] for one in networks]),
        bias=stacked([one.bias for one in networks]),
        windows=stacked([torch.stack([w.weight.permute(2, 1, 0) for w in one.windows]) for one in networks]),  # type: ignore[operator]
        biases=stacked([torch.stack([w.bias for w in one.windows]) for one in networks]),  # type: ignore[arg-type]
        last=stacked([one.last.weight[0] for one in networks]),
        last_bias=stacked([one.last.bias for one in networks]),
    )


def cross_validate(examples: list[Example], folds: int, nets: int) -> None:
    """Print F1 on pages that the networks that judged them had not seen, at several limits of probability."""
    for fold in range(folds):
        inside = [_fold(one.page, folds) == fold for one in examples]
        networks = [learn([one for one, out in zip(examples, inside, strict=True) if not out], n) for n in range(nets)]
        with torch.no_grad():
            for one in (one for one, out in zip(examples, inside, strict=True) if out):
                one.chances = torch.sigmoid(torch.stack([net(one.ids) for net in networks]).mean(0)).numpy()
    for keep in (0.3, 0.4, 0.5, 0.6):
        kept = {
            one.page.name: "\n".join(t for t, chance in zip(one.texts, one.chances, strict=True) if chance >= keep)
            for one in examples
        }
        for kind, score in (("snippets", snippet_scores), ("news", token_scores)):
            pages = [one.page for one in examples if one.page.kind == kind]
            f1, precision, recall = score(pages, lambda page, kept=kept: kept[page.name])
            print(f"from {keep}: {kind:<10} F1 {f1:.4f} (precision {precision:.4f}, recall {recall:.4f})", flush=True)


def _fold(page: LabelledPage, folds: int) -> int:
    return hashlib.sha256(f"fold {page.name}".encode()).digest()[0] % folds


def main() -> None:
    """Read the command line, label, learn; then cross-validate or write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train_pages", description=__doc__)
    parser.add_argument("--folds", type=int, default=0, help="cross-validate in so many folds and write nothing")
    parser.add_argument("--nets", type=int, default=NETS, help="how many networks")
    parser.add_argument("--without-readability", action="store_true", help="leave readability's pages out")
    chosen = parser.parse_args()
    if not (named := os.environ.get("GRISTMILL_TEST_DATA")):
        sys.exit("GRISTMILL_TEST_DATA names no folder: the pages to learn from stand there.")
    torch.set_num_threads(1)
    kinds = ["snippets", "news"] + ["readability"] * (not chosen.without_readability)
    pages = [page for page in read_pages(Path(named), kinds) if not page.held_out]
    examples = [one for page in pages if (one := example(page)) is not None]
    print(f"{len(examples)} pages, {sum(len(one.texts) for one in examples)} blocks", flush=True)
    if chosen.folds:
        cross_validate(examples, chosen.folds, chosen.nets)
    else:
        save([learn(examples, seed) for seed in range(chosen.nets)], WEIGHTS)


if __name__ == "__main__":
    main()
