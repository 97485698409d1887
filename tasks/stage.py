"""The contract of a stage: what it reads, what it writes, a pure function between, and one call that does all the rest.

A call looks the artifact up by its fingerprint and gives it if it is there. Else it says which field differs from the
nearest one, plans shards, skips those an earlier run finished, maps the work over them, and commits. Inside a Prefect
flow the making is one task; a stage whose artifact exists costs no task.
"""

import hashlib
import importlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_type_hints

import pyarrow as pa

from storage.artifact import MAIN_TABLE, Artifact, Identity, Input
from storage.commit import ShardOutput, ShardRecord, Staging, stage_artifact, tidy
from storage.files import canonical_json, write_text
from storage.table import Table
from tasks.config import StageConfig
from tasks.console import Progress
from tasks.executor import ShardExecutor, ShardFailed, Watch, shared_executor
from tasks.run import Run, Step, code_revision, current_run

if TYPE_CHECKING:
    from tasks.annotation import About

__all__ = ["Inputs", "Shard", "Stage", "StageConfig", "StageFailed", "stage"]

C = TypeVar("C", bound=StageConfig)
Inputs = Mapping[str, Sequence[Artifact]]


class StageFailed(RuntimeError):
    """A stage could not make its artifact: which stage, which shard, why, and what to do next."""


@dataclass(frozen=True)
class Shard:
    """A piece of a stage's work. How work is cut depends on the inputs alone, never on workers.

    `content` says what the shard is made from, the same on every machine: a finished shard is kept only under the same
    content. `where` holds what this machine needs to find it (paths). `size` is in bytes or rows.
    """

    index: int
    content: dict[str, Any]
    size: int
    where: dict[str, Any] = field(default_factory=dict)
    label: str = ""

    @property
    def key(self) -> str:
        """Hash of the content."""
        return hashlib.sha256(canonical_json(self.content).encode()).hexdigest()[:32]

    def __repr__(self) -> str:
        return f"{self.index} ({self.label})" if self.label else str(self.index)


@dataclass(frozen=True, eq=False)
class Stage(Generic[C]):
    """One stage. Call it with its configuration and its input artifacts by role; it gives the artifact.

    `plan(inputs, config)` cuts the work into shards; `work(shard, config, output, watch)` does one, in a worker process
    (or in this process where `here` is true: for what uses the whole machine by itself). `tables` are what it writes,
    or a function of the configuration that gives them (where it sets the width of a list). `explains`: whether a
    missing artifact is compared with the nearest one that exists. `kind` is what the SQL views go by: "snapshot",
    "documents", "annotation", "decisions", "corpus", "tokens", "model", "evaluation", … `reads`: the columns that a
    per-document stage looks at, of the documents and of annotations made before it; `given`: roles of whole artifacts
    that it is also given. `forgets`: it reads text into the lake out of a snapshot's files, and what a tombstone names
    is taken out of what it writes (`tasks.tombstones`). So the tombstones are an input of it, and through it of every
    decision and every text that is made later; its own `plan` and `work` know nothing of them.
    """

    name: str
    version: int
    kind: str
    config: type[C]
    tables: dict[str, Table] | Callable[[C], dict[str, Table]]
    plan: Callable[[Inputs, C], list[Shard]]
    work: Callable[[Shard, C, ShardOutput, Watch], None]
    here: bool = False
    unit: str = "rows"
    explains: bool = True
    fn: Callable[..., Any] | None = None
    summary: Callable[[Artifact], list[dict[str, Any]]] | None = None
    describe: Callable[[Artifact], str] | None = None
    reads: Callable[[C], tuple[str, ...]] = lambda config: ()
    given: tuple[str, ...] = ()
    forgets: bool = False

    def __post_init__(self) -> None:
        _STAGES[self.work.__module__ if self.fn is None else self.fn.__module__, self.name] = self

    def __reduce__(self) -> tuple:
        module = self.work.__module__ if self.fn is None else self.fn.__module__
        return _stage_by_name, (module, self.name)

    def tables_of(self, config: C) -> dict[str, Table]:
        """The tables that the stage writes under this configuration."""
        return self.tables(config) if callable(self.tables) else self.tables

    def identity(self, config: C, inputs: Inputs) -> Identity:
        """What determines the artifact's bytes.

        An annotation is of the origin of its documents: what was said of a text before it was forgotten still holds.
        """
        listed = [
            Input(role=role, stage=used.stage, fingerprint=used.fingerprint)
            for role, artifacts in inputs.items()
            for used in (one.origin if self.kind == "annotation" and role == "documents" else one for one in artifacts)
        ]
        return Identity(
            stage=self.name, version=self.version, config=config.model_dump(mode="json"), inputs=tuple(listed)
        )

    def __call__(self, config: C | None = None, **inputs: Artifact | Sequence[Artifact]) -> Artifact:
        """Give the artifact for this configuration and these inputs, made now if it is not there.

        Raises StageFailed with a sentence; a run after that, or after a kill, goes on from the last finished shard.
        """
        run, settings, given = current_run(), config if config is not None else self.config(), _listed(inputs)
        started = time.monotonic()
        if self.forgets:
            from tasks.tombstones import under_tombstones

            given = under_tombstones(self, settings, given, run)
        identity = self.identity(settings, given)
        found = run.lake.find(identity)
        changed: list[str] = []
        if found is None:
            run.before_writing(self.name)
            # what this run made of another source, or another model, is no earlier form of this artifact
            siblings = [step.artifact for step in run.steps]
            nearest = run.lake.differences(identity, siblings) if self.explains else None
            if nearest is not None:
                changed = [str(one) for one in nearest[1]]
                shown = "; ".join(changed[:4]) + (f"; and {len(changed) - 4} more" if len(changed) > 4 else "")
                run.console.line(
                    f"{self.name:<15} {identity.fingerprint[:12]}  "
                    f"differs from {nearest[0].fingerprint[:12]} in {shown}"
                )
            artifact = _in_prefect(self, settings, given, run)
        else:
            artifact = found
            tidy(artifact)
        run.add(Step(self.name, artifact, found is not None, time.monotonic() - started, changed))
        return artifact

    def make(self, config: C, inputs: Inputs, run: Run, observe: Callable[[float], None] | None = None) -> Artifact:
        """Make and commit the artifact, whatever runs this. Use the call instead: it looks first."""
        identity = self.identity(config, inputs)
        with stage_artifact(run.lake, identity, self.kind, run.console.line) as staging:
            if isinstance(staging, Artifact):
                return staging
            try:
                shards = self._plan(inputs, config)
                records = self._shards(shards, config, staging, run, observe)
            except ShardFailed as error:
                raise StageFailed(_what_to_do(self.name, error, run)) from error
            artifact = staging.commit(records, {"run": run.id, "workers": run.workers, "code": code_revision()})
        run.publish()
        return artifact

    def _plan(self, inputs: Inputs, config: C) -> list[Shard]:
        if self.forgets:
            from tasks.tombstones import plan_under_tombstones

            return plan_under_tombstones(self, inputs, config)
        return self.plan(inputs, config)

    def _shards(
        self, shards: list[Shard], config: C, staging: Staging, run: Run, observe: Callable[[float], None] | None
    ) -> list[ShardRecord]:
        if [shard.index for shard in shards] != list(range(len(shards))):
            raise ValueError(f"{self.name} planned shards that are not numbered 0, 1, 2, …")
        records = staging.finished({shard.index: shard.key for shard in shards})
        if records:
            run.console.line(
                f"{self.name:<15} going on: {len(records)} of {len(shards)} shards were finished by an earlier run"
            )
        todo = sorted((s for s in shards if s.index not in records), key=lambda shard: (-shard.size, shard.index))
        progress = Progress(run.console, self.name, len(shards), sum(s.size for s in todo), self.unit, observe)
        behind = [0.0]

        def finished(shard: Shard, record: dict[str, Any]) -> None:
            records[shard.index] = ShardRecord.model_validate(record)
            behind[0] += shard.size

        def moved(units: int, _shards_done: int) -> None:
            counted = units if self.here or self.unit == "rows" else 0
            progress.update(units, len(records), max(behind[0], counted))

        executor = ShardExecutor(workers=0) if self.here else shared_executor(run.workers)
        executor.cpu_seconds = run.cpu_seconds
        job = _Job(self, config, str(staging.folder))
        executor.run(job, todo, finished, label=self.name, on_progress=moved)
        return [records[index] for index in sorted(records)]


_STAGES: dict[tuple[str, str], Stage] = {}


def _stage_by_name(module: str, name: str) -> Stage:
    if module == "__main__":  # a stage declared in a script: workers import the script under this name
        module = "__mp_main__"
    importlib.import_module(module)
    return _STAGES[module, name]


def _what_to_do(stage: str, error: ShardFailed, run: Run) -> str:
    """What failed and what to do next. The worker's traceback goes into a file of the lake, which the message names:
    it may quote a page, and this message is kept with the run and shown in Prefect."""
    sentence = str(error).removesuffix(".")
    if not error.trace:
        return f"{sentence}. Mend the cause and run again: finished shards are kept."
    log = run.lake.root / "logs" / f"{run.id}-{stage}.txt"
    write_text(log, f"{sentence}.\n\n{error.trace}")
    return f"{sentence}. Mend the cause (its traceback is in {log}) and run again: finished shards are kept."


def _listed(inputs: Mapping[str, Artifact | Sequence[Artifact]]) -> dict[str, list[Artifact]]:
    return {role: [given] if isinstance(given, Artifact) else list(given) for role, given in inputs.items()}


@dataclass(frozen=True)
class _Job:
    """What a worker gets: the stage by name, its configuration, and where to write."""

    stage: Stage
    config: StageConfig
    folder: str

    def __call__(self, shard: Shard, watch: Watch) -> dict[str, Any]:
        output = ShardOutput(Path(self.folder), shard.index, shard.key, self.stage.tables_of(self.config))
        try:
            if self.stage.forgets:
                from tasks.tombstones import work_under_tombstones

                work_under_tombstones(self.stage, shard, self.config, output, watch)
            else:
                self.stage.work(shard, self.config, output, watch)
            return output.finish().model_dump(mode="json")
        except BaseException:
            output.discard()
            raise


def _in_prefect(made: Stage, config: StageConfig, inputs: Inputs, run: Run) -> Artifact:
    """Make the artifact as one Prefect task where a flow is running, else plainly."""
    if "prefect" in sys.modules:
        from tasks.orchestration import inside_flow, make_as_task

        if inside_flow():
            return make_as_task(made, config, inputs, run)
    return made.make(config, inputs, run)


def stage(
    name: str,
    *,
    version: int,
    reads: Sequence[str] | Callable[[Any], Sequence[str]],
    writes: Table | Callable[[Any], Table],
    kind: str = "annotation",
    batch_rows: int = 256,
    prepare: Callable[[Any, Inputs], Any] | None = None,
    given: Sequence[str] = (),
    about: "About | None" = None,
) -> Callable[[Callable], Stage]:
    """Declare a per-document stage from a pure function over record batches.

    The function gets the columns it `reads` of the documents whose text is there (of all, if it does not read the
    text), at most `batch_rows` at once, and gives one row for each. The artifact has one row per document, aligned with
    the documents shard for shard and row for row; where the text is null, or the function killed its process, the row
    is null (and the second is in the losses). `writes` declares the function's columns (or gives them, from the
    configuration); `doc_id` is added in front.

    Columns in `reads` that the documents do not have are those of annotations made before, which the stage is then
    given in the role `annotations`; they may be null. `prepare(config, inputs)` makes, once in a process, what the
    function gets as its third argument: an index, an automaton, of the configuration or of whole artifacts, which the
    stage takes in the roles `given`; `about` says of it what stands in a table of its own, once in the artifact.
    """

    def declared(config: StageConfig) -> Table:
        return writes if isinstance(writes, Table) else writes(config)

    def looked_at(config: StageConfig) -> tuple[str, ...]:
        return tuple(reads(config) if callable(reads) else reads)

    def declare(function: Callable[..., pa.RecordBatch]) -> Stage:
        from tasks.annotation import ANNOTATION_LOSSES, AnnotationWork, with_doc_id

        work = AnnotationWork(name, function, looked_at, declared, batch_rows, prepare, about)
        own = {about.table: about.declared} if about else {}
        return Stage(
            name=name,
            version=version,
            kind=kind,
            config=get_type_hints(function)["config"],
            tables=lambda config: {
                MAIN_TABLE: with_doc_id(declared(config)),
                "losses": ANNOTATION_LOSSES,
                **own,
            },
            plan=work.plan,
            work=work,
            unit="rows",
            fn=function,
            reads=looked_at,
            given=tuple(given),
        )

    return declare
