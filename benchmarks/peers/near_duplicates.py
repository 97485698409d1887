"""Other tools' MinHash deduplication, from one Parquet file of documents to a file of the ids that stay."""

import importlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq

from benchmarks.duplicate_texts import NGRAM, shingles, words_of

BANDS, ROWS = 14, 8


def _read(folder: Path) -> tuple[list[str], list[str]]:
    table = pq.read_table(folder / "documents" / "00000.parquet", use_threads=False)
    return table.column("id").to_pylist(), table.column("text").to_pylist()


def datatrove_steps() -> Any:
    """datatrove's module of MinHash alone: its package imports all deduplication, which asks for another package."""
    import datatrove.pipeline as pipeline

    package = ModuleType("datatrove.pipeline.dedup")
    package.__path__ = [str(Path(pipeline.__path__[0]) / "dedup")]
    sys.modules[package.__name__] = package
    return importlib.import_module("datatrove.pipeline.dedup.minhash")


def datatrove(folder: Path, output: Path) -> Callable[[], int]:
    """Signatures, buckets, clusters and filter, chained as its documentation has them, one task each (a band each)."""
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.utils.logging import logger

    steps = datatrove_steps()
    logger.remove()
    config = steps.MinhashConfig(n_grams=NGRAM, num_buckets=BANDS, hashes_per_bucket=ROWS)
    at = output.with_name(f"{output.name}-steps")
    shutil.rmtree(at, ignore_errors=True)
    signatures, buckets, removed = (str(at / name) for name in ("signatures", "buckets", "removed"))
    sign = steps.MinhashDedupSignature(signatures, config)
    sign.get_signature(sign.get_shingles("A warm mill grinds the flour of the town."))

    def work() -> int:
        sign.run(ParquetReader(str(folder / "documents")).run())
        pair = steps.MinhashDedupBuckets(signatures, buckets, config=config)
        for band in range(BANDS):
            pair.run(None, band, BANDS)
        steps.MinhashDedupCluster(buckets, removed, config=config).run(None, 0, 1)
        documents = ParquetReader(str(folder / "documents")).run()
        stays = [document.id for document in steps.MinhashDedupFilter(removed).run(documents)]
        output.write_text(json.dumps(stays), encoding="utf-8")
        return pq.read_metadata(folder / "documents" / "00000.parquet").num_rows

    return work


def _rensa(folder: Path, output: Path, tokens: Callable[[str], list[str]], sketch: str) -> Callable[[], int]:
    """Its batch pipeline: a matrix of sketches, and flags of rows that share a band with an earlier one.

    Its flags mark both of a pair; who stays is asked of its deduplicator only where a row is flagged.
    """
    from rensa import RMinHash, RMinHashDeduplicator, RMinHashLSH

    def work() -> int:
        ids, texts = _read(folder)
        made = [tokens(text) for text in texts]
        matrix = getattr(RMinHash, sketch)(made, BANDS * ROWS, 1)
        index = RMinHashLSH(0.8, BANDS * ROWS, BANDS)
        flags = index.query_duplicate_flags_matrix_one_shot(matrix)
        deduplicator = RMinHashDeduplicator(0.7, BANDS * ROWS, True, BANDS, 1)
        marked = [number for number, flag in enumerate(flags) if flag]
        keep = deduplicator.add_pairs((str(number), made[number]) for number in marked)
        gone = {number for number, stays in zip(marked, keep, strict=True) if not stays}
        stays = [one for number, one in enumerate(ids) if number not in gone]
        output.write_text(json.dumps(stays), encoding="utf-8")
        return len(ids)

    return work


def rensa_shingles(folder: Path, output: Path) -> Callable[[], int]:
    """R-MinHash of the same shingles as all others."""
    return _rensa(folder, output, shingles, "digest_matrix_from_token_sets")


def rensa_rho(folder: Path, output: Path) -> Callable[[], int]:
    """Its fastest documented pipeline, on the words of which all others make shingles: it samples their places."""
    return _rensa(folder, output, words_of, "digest_matrix_from_token_sets_rho")


def datasketch(folder: Path, output: Path) -> Callable[[], int]:
    """MinHash.bulk and MinHashLSH with the same bands; a document that finds an earlier one goes."""
    from datasketch import MinHash, MinHashLSH

    def work() -> int:
        ids, texts = _read(folder)
        made = [[shingle.encode() for shingle in shingles(text)] for text in texts]
        index = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
        stays = []
        for one, minhash in zip(ids, MinHash.generator(made, num_perm=BANDS * ROWS, seed=1), strict=True):
            if not index.query(minhash):
                stays.append(one)
            index.insert(one, minhash)
        output.write_text(json.dumps(stays), encoding="utf-8")
        return len(ids)

    return work
