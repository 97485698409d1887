"""What a report tells: the artifacts of one run, and the answers that the lake gives about them by SQL.

Every number of the report and of the closing table comes from an `Answer`, which holds the query that gave it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow.parquet as pq

from storage.artifact import Artifact
from storage.lake import Lake, NotFound
from storage.runs import all_runs
from storage.sql import connect
from tasks.report import curation, queries


@dataclass(frozen=True)
class Results:
    """What a run ended with; a part that it has not made is None, and the report leaves its section out."""

    decisions: Artifact | None = None
    corpus: Artifact | None = None
    tokenizer: Artifact | None = None
    tokens: Artifact | None = None
    packing: Artifact | None = None
    base: Artifact | None = None
    tuned: Artifact | None = None
    evaluations: tuple[Artifact, ...] = ()

    def evaluation_of(self, model: Artifact | None) -> Artifact | None:
        """The last evaluation of this model among the run's, or None."""
        found = [one for one in self.evaluations if model is not None and model in one.inputs("model")]
        return found[-1] if found else None

    @property
    def talks(self) -> list[Artifact]:
        """The conversations that the tuned model learned from."""
        return self.tuned.inputs("conversations") if self.tuned else []

    @property
    def questions(self) -> list[Artifact]:
        """The questions that were asked, each artifact once."""
        return list(dict.fromkeys(one for evaluation in self.evaluations for one in evaluation.inputs("questions")))


def results_of(
    corpus: Artifact | None, base: Artifact | None, tuned: Artifact | None, evaluations: Sequence[Artifact | None] = ()
) -> Results:
    """Find what a run's ends were made from, by walking their inputs."""
    if base is None and tuned is not None:
        base = _only(tuned, "model")
    tokens = _only(base, "tokens")
    corpus = corpus or _only(tokens, "corpus")
    return Results(
        decisions=_only(corpus, "decisions"),
        corpus=corpus,
        tokenizer=_only(base, "tokenizer"),
        tokens=tokens,
        packing=_only(base, "packing"),
        base=base,
        tuned=tuned,
        evaluations=tuple(one for one in evaluations if one is not None),
    )


def results_of_run(lake: Lake, run: str) -> Results:
    """The same for a run that has ended, from what the lake remembers of it.

    Raises: NotFound if the lake has no such run.
    """
    about = [one for one in all_runs(lake) if one["run"] == run]
    if not about:
        raise NotFound(f"The lake {lake.root} remembers no run {run!r}. `select run from runs` lists them.")
    used = [_artifact(lake, name) for name in about[0]["artifacts"]]
    of_kind: dict[str, list[Artifact]] = defaultdict(list)
    for artifact in used:
        of_kind[artifact.manifest.kind].append(artifact)
    bases = [one for one in of_kind["model"] if not one.inputs("model")]
    tuned = [one for one in of_kind["model"] if one.inputs("model")]
    found = results_of(_last(of_kind["corpus"]), _last(bases), _last(tuned), of_kind["evaluation"])
    if found.decisions is None and of_kind["decisions"]:
        return Results(decisions=of_kind["decisions"][-1], base=found.base, evaluations=found.evaluations)
    return found


def _artifact(lake: Lake, name: str) -> Artifact:
    stage, _, fingerprint = name.partition("/")
    return Artifact(lake=str(lake.root), stage=stage, fingerprint=fingerprint)


def _only(artifact: Artifact | None, role: str) -> Artifact | None:
    found = artifact.inputs(role) if artifact else []
    return found[0] if found else None


def _last(artifacts: Sequence[Artifact]) -> Artifact | None:
    return artifacts[-1] if artifacts else None


@dataclass(frozen=True)
class Answer:
    """What the lake says to a query. `at`: whose documents the view `documents` shows (`gristmill sql --at`)."""

    name: str
    sql: str
    rows: tuple[dict[str, Any], ...]
    at: str | None = None

    def __bool__(self) -> bool:
        return bool(self.rows)

    @property
    def row(self) -> dict[str, Any]:
        """The first row; empty if there is none."""
        return self.rows[0] if self.rows else {}


@dataclass(frozen=True)
class StageTime:
    """What a stage took in a run: artifacts made and reused, and seconds they took when they were made."""

    stage: str
    seconds: float
    made: int
    reused: int
    seconds_when_made: float


@dataclass
class Facts:
    """Everything that a report or a closing table shows of a run."""

    run: str
    lake: Lake
    results: Results
    connection: duckdb.DuckDBPyConnection
    times: list[StageTime]
    at: str | None
    answers: dict[str, Answer] = field(default_factory=dict)

    def ask(self, name: str, sql: str) -> Answer:
        """Ask the lake and keep the answer under a name."""
        table = self.connection.execute(sql).to_arrow_table()
        at = self.at if " documents" in sql else None
        self.answers[name] = Answer(name, sql, tuple(table.to_pylist()), at)
        return self.answers[name]

    def get(self, name: str) -> Answer:
        """An answer, or one without rows where nothing was asked."""
        return self.answers.get(name, Answer(name, "", ()))


def stage_times(run: str, artifacts: Sequence[Artifact], seconds: dict[str, float]) -> list[StageTime]:
    """Time by stage, in the order in which the stages first came: `seconds` of this run, and what was made in it."""
    used: dict[str, list[Artifact]] = {}
    for artifact in dict.fromkeys(artifacts):
        used.setdefault(artifact.stage, []).append(artifact)
    found = []
    for stage, ones in used.items():
        about = [one.provenance for one in ones]
        made = sum(one.get("run") == run for one in about)
        before = sum(one.get("ended", 0.0) - one.get("started", 0.0) for one in about)
        found.append(StageTime(stage, seconds.get(stage, 0.0), made, len(ones) - made, before))
    return found


def collect(lake: Lake, run: str, results: Results, artifacts: Sequence[Artifact], seconds: dict[str, float]) -> Facts:
    """Ask the lake everything about a run. `artifacts` and `seconds`: what it used, and how long each stage took."""
    at = str(results.decisions.fingerprint) if results.decisions else None
    facts = Facts(run, lake, results, connect(lake, at=at), stage_times(run, artifacts, seconds), at)
    facts.ask("times", queries.times(run))
    if results.decisions:
        _ask_documents(facts, results.decisions)
        _ask_curation(facts, results.decisions, artifacts)
    _ask_drift(facts, artifacts)
    _ask_corpus(facts)
    _ask_models(facts)
    return facts


def columns_of(connection: duckdb.DuckDBPyConnection, view: str) -> dict[str, str]:
    """The columns of a view and their DuckDB types; empty if there is no such view."""
    known = connection.execute("select 1 from duckdb_views() where view_name = $1", [view]).fetchone()
    return {row[0]: row[1] for row in connection.execute(f'describe "{view}"').fetchall()} if known else {}


def _ask_documents(facts: Facts, decisions: Artifact) -> None:
    facts.ask("losses", queries.losses(str_of(decisions)))
    facts.ask("decided", queries.decided())
    facts.ask("rules", queries.rules())
    facts.ask("sources", queries.sources(str_of(decisions)))
    facts.ask("copies", queries.copies())
    if "language" in columns_of(facts.connection, "documents"):
        facts.ask("languages", queries.languages())


def _ask_curation(facts: Facts, decisions: Artifact, used: Sequence[Artifact]) -> None:
    """What each stage measured, of those that the decisions looked at; older documents may lack a column."""
    columns = columns_of(facts.connection, "documents")
    annotations = decisions.inputs("annotations")
    if "extractor" in columns:
        facts.ask("extractors", curation.extractors())
    for name, kind, query in (
        ("classifiers", "classifier", curation.classifiers),
        ("references", "reference", curation.references),
    ):
        found = [one.fingerprint for one in used if one.manifest.kind == kind]
        if found:
            facts.ask(name, query(found))
    scores = learned_scores(decisions)
    if scores:
        facts.ask("learned", curation.learned(scores))
    if "pii_spans" in columns:
        facts.ask("personal", curation.personal())
    compared = [one for one in annotations if one.inputs("benchmarks")]
    if compared and columns_of(facts.connection, f"{compared[0].stage}_benchmarks"):
        facts.ask("contamination", curation.contamination([one.fingerprint for one in compared]))
    if "edits" in columns:
        facts.ask("changes", curation.changes())
    if {"published", "capture_date"} <= set(columns):
        facts.ask("cut-off", curation.cut_off())
    if {"robots", "tdm_reservation"} <= set(columns):
        facts.ask("opt-outs", curation.opt_outs())


def _ask_drift(facts: Facts, used: Sequence[Artifact]) -> None:
    """Whether the new snapshots of the run are like the earlier ones, where any were compared."""
    found = [one.fingerprint for one in used if one.stage == "drift"]
    if found:
        facts.ask("compared", curation.compared(found[-1]))
        facts.ask("warnings", curation.warnings(found[-1]))


def learned_scores(decisions: Artifact) -> list[str]:
    """The columns of classifiers and of perplexity among what decisions looked at."""
    found: list[str] = []
    for annotation in decisions.inputs("annotations"):
        if annotation.stage in ("classify", "perplexity") and annotation.paths():
            names = pq.read_schema(annotation.paths()[0]).names
            found += [name for name in names if name.endswith("_score") or name == "perplexity"]
    return list(dict.fromkeys(found))


def _ask_corpus(facts: Facts) -> None:
    results = facts.results
    if results.corpus:
        if columns_of(facts.connection, f"{results.corpus.stage}_mixture"):
            facts.ask("mixture", queries.mixture(results.corpus.stage, results.corpus.fingerprint))
        named = "license_from" in columns_of(facts.connection, "documents")
        tokens = (results.tokens.stage, results.tokens.fingerprint) if results.tokens else None
        facts.ask("licenses", queries.licenses((results.corpus.stage, results.corpus.fingerprint), tokens, named))
    if results.corpus and results.tokens:
        facts.ask("tokens", queries.tokens(results.tokens.stage, results.tokens.fingerprint))
        phases = list(dict.fromkeys(row["phase"] for row in results.corpus.read(["phase"], "mixture").to_pylist()))
        facts.ask("realised", queries.realised(results.tokens.stage, results.tokens.fingerprint, phases))
    if results.base and results.tokens and results.packing:
        facts.ask(
            "read", queries.tokens_read(results.base.fingerprint, results.tokens.stage, results.tokens.fingerprint)
        )
    others = [*results.talks, *results.questions]
    if others:
        facts.ask("others", queries.other_sources([(one.stage, one.fingerprint) for one in others]))


def _ask_models(facts: Facts) -> None:
    results = facts.results
    columns = columns_of(facts.connection, "training")
    for name, model in (("base", results.base), ("tuned", results.tuned)):
        if model:
            facts.ask(f"curve of {name}", queries.curve(model.fingerprint, "validation_loss" in columns))
    if results.tuned and columns_of(facts.connection, f"{results.tuned.stage}_held_out"):
        facts.ask("held out", queries.held_out(results.tuned.stage, results.tuned.fingerprint))
        facts.ask("outcomes", queries.outcomes(results.tuned.stage, results.tuned.fingerprint))
    scored = [results.evaluation_of(results.base), results.evaluation_of(results.tuned)]
    base, tuned = (one.fingerprint if one else "" for one in scored)
    if base or tuned:
        facts.ask("bits", queries.bits_per_byte(base, tuned))
        facts.ask("scores", queries.scores(base, tuned))
        stage = next(one.stage for one in scored if one)
        if columns_of(facts.connection, f"{stage}_samples"):
            facts.ask("samples", queries.samples(stage, base, tuned))


def str_of(artifact: Artifact) -> str:
    """An artifact as the views name it: stage/fingerprint."""
    return f"{artifact.stage}/{artifact.fingerprint}"
