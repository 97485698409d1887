"""Decisions at many points of a dial, with clusters: what no point changes is read and computed once.

The scores are joined once, and of the rules those are computed again in which a point differs. Bucket keys are read
once, of all documents that pass at any point, and the buckets that several of those share are found once: of them a
point looks at those of the documents that pass there. Copies, addresses, signatures and shingles are read once, too.
What depends on who else passes (clusters, who stays, repeated parts) is made anew at each point, by the functions that
the stage calls.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from storage.artifact import Artifact
from tasks.decide.decisions import DECISIONS, decide_documents, evidence_files, find_candidates
from tasks.decide.duplicates.spilled import Memory
from tasks.decide.failures import find_failures
from tasks.decide.repeats.find import find_repeats
from tasks.decide.rules import DecideConfig
from tasks.decide.stage import decide
from tasks.decide.whatif.columns import Columns
from tasks.decide.whatif.verdicts import Verdicts, by_rules, inputs_of, needs_all
from tasks.executor import available_cores


def share(decisions: Artifact, configs: Sequence[DecideConfig], columns: Columns) -> "Shared":
    """What is the same of an artifact's decisions under these configurations.

    Raises: what the stage raises where it cannot decide by one of them.
    """
    inputs = inputs_of(decisions)
    plans = [decide.plan(inputs, config) for config in configs]
    return Shared(plans[0][0].where, configs, columns)


class Shared:
    """The inputs of decisions, and what is the same of them under these configurations.

    `where`: as the stage plans it: paths of `documents` and of `annotations` by stage, and doc_ids `lost` by stage.
    """

    def __init__(self, where: Mapping[str, Any], configs: Sequence[DecideConfig], columns: Columns) -> None:
        self._where, self._threads, self._memory = where, available_cores(), Memory()
        first = configs[0]
        self._failures = find_failures(
            where["documents"], where["annotations"], first, (), where["lost"], self._threads, "2GB"
        )
        stored = Verdicts(self._failures.reasons, self._failures.failed, clustered=False)
        read = first.duplicates.columns()
        self._configs = list(configs)
        self._passes = [
            by_rules(stored, first, config, columns).kept
            if not needs_all(first, config) and config.duplicates.columns() == read
            else None
            for config in configs
        ]
        self._position = np.flatnonzero(np.any([passes for passes in self._passes if passes is not None], axis=0))
        files = evidence_files(self._failures, where["annotations"], self._threads, self._memory)
        self._candidates = find_candidates(self._failures, self._position, files)
        self._candidates.read_ahead([config.duplicates for config in configs])

    def decide(self, number: int) -> Verdicts:
        """Who stays under the configuration of this number, and what repeated parts leave of them.

        Every document that goes has the one reason `dropped`.
        """
        documents, annotations = self._where["documents"], self._where["annotations"]
        config, passes = self._configs[number], self._passes[number]
        if passes is not None:
            decided = self._with_kept(self._kept(config, passes))
        else:  # another percentile, or another column to go by: nothing is the same for certain
            decided = decide_documents(
                documents, annotations, config, lost=self._where["lost"], threads=self._threads, memory=self._memory
            )
        edited = None
        if config.repeats:
            repeats = find_repeats(decided, documents, annotations, config)
            decided, edited = repeats.decisions, repeats.edited
        goes = ~decided.column("kept").to_numpy()
        return Verdicts(("dropped",), goes[:, None], clustered=True, edited=edited)

    def _kept(self, config: DecideConfig, passes: np.ndarray) -> np.ndarray:
        passing = np.flatnonzero(passes)
        clusters = self._candidates.clusters(config.duplicates, np.searchsorted(self._position, passing))
        kept = np.zeros(self._failures.documents.num_rows, dtype=bool)
        kept[passing[clusters.stays == np.arange(len(passing))]] = True
        return kept

    def _with_kept(self, kept: np.ndarray) -> pa.Table:
        """Decisions as far as repeats look at them."""
        n, schema = len(kept), DECISIONS.schema
        names = ("doc_id", "kept", "dropped_by", "failed")
        nothing = pa.ListArray.from_arrays(pa.array(np.zeros(n + 1, dtype=np.int32)), pa.array([], pa.string()))
        columns = [self._failures.documents.column("doc_id"), pa.array(kept), pa.nulls(n, pa.string()), nothing]
        return pa.table(columns, schema=pa.schema([schema.field(name) for name in names]))
