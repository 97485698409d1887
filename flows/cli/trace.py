"""Commands that follow what was made: batch, lineage, diff."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from flows.cli.app import DEFAULT_LAKE, Json, Lake, app
from flows.cli.look import existing_lake
from flows.cli.pictures import Picture, check_picture, write_picture
from flows.cli.rows import say, write_json

if TYPE_CHECKING:
    from tasks.lineage.batch import Span
    from tasks.report.lineage import Node

MOST_FIELDS = 5


@app.command()
def batch(
    model: Annotated[str, typer.Argument(help="A name (sample/base, sample/base@2), a fingerprint, or its start.")],
    step: Annotated[int, typer.Argument(min=1, help="The step, from 1.")],
    row: Annotated[int | None, typer.Option(min=0, help="Only this row of the step (a row of the packing).")] = None,
    ids: Annotated[bool, typer.Option("--ids", help="Ids and places only, no text.")] = False,
    as_json: Json = False,
    lake: Lake = DEFAULT_LAKE,
) -> None:
    """What a model read in one step of its training.

    Document by document: source, URL, scores, and the text. The text is decoded from the tokens that were read. `…`
    stands where a document goes on in another row.

    \b
    gristmill batch sample/base 100 --ids
    gristmill batch sample/base 100 --row 3417
    gristmill sql "from training_rows where step = 100"     # the same places (tuned: training_conversations)

    Costs: a look at the rows of one step, of any step the same.

    Never: runs the model, or changes anything.
    """
    from tasks.lineage.batch import read_batch, tokenizer_of

    folder = existing_lake(lake)
    found = folder.get(model)
    rows = read_batch(found, step, row)
    decode = None if ids else tokenizer_of(found).decode
    if as_json:
        told = [
            {"place": one.place, "row": one.row, "spans": [_span(span, decode) for span in one.spans]} for one in rows
        ]
        write_json({"model": f"{found.stage}/{found.fingerprint}", "step": step, "rows": told})
        return
    console = Console()
    say(console, f"step {step} of {found}: {len(rows)} " + ("row" if len(rows) == 1 else "rows"))
    for one in rows:
        say(console, f"\nrow {one.row} (place {one.place})")
        for span in one.spans:
            end = span.position + span.length - 1
            say(console, f"{span.doc_id}  {span.source}  tokens {span.position} to {end}", 2)
            if span.url:
                say(console, span.url, 2)
            if span.shard is not None:
                say(console, f"shard {span.shard}, from token {span.start}", 2)
            _say_scores(console, span.scores)
            if decode:
                before, after = ("… " if span.before else ""), (" …" if span.after else "")
                say(console, f"{before}{decode(span.ids)}{after}\n")


def _span(span: "Span", decode: Any) -> dict[str, Any]:
    told = {name: value for name, value in vars(span).items() if name != "ids"} | {"ids": span.ids.tolist()}
    return told | ({"text": decode(span.ids)} if decode else {})


def _say_scores(console: Console, scores: dict[str, Any]) -> None:
    said = [f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in scores.items()]
    line = ""
    for one in (one for one, value in zip(said, scores.values(), strict=True) if value is not None):
        if line and len(line) + len(one) > 74:
            say(console, line, 4)
            line = ""
        line += f"{', ' if line else ''}{one}"
    if line:
        say(console, line, 4)


@app.command()
def lineage(
    artifact: Annotated[str, typer.Argument(help="A name (sample/corpus@3), a fingerprint, or the start of one.")],
    depth: Annotated[int | None, typer.Option(min=0, help="So many steps back (default: to the files).")] = None,
    picture: Picture = None,
    as_json: Json = False,
    lake: Lake = DEFAULT_LAKE,
) -> None:
    """What an artifact was made from, back to the files.

    With code revision, cost, and what was configured otherwise. The differences are from the artifact that had the
    same name before; of inputs, from what stood in their place.

    \b
    gristmill lineage sample/base
    gristmill lineage sample/base --depth 2 --picture tree.svg

    Costs: a look at manifests; no data is read.

    Never: changes anything in the lake.
    """
    from tasks.report.lineage import as_values, cut_tree, tree

    check_picture(picture)
    folder = existing_lake(lake)
    found = folder.get(artifact)
    root = cut_tree(tree([found], "", files=True, predecessors=True)[0], depth)
    if picture is not None:
        from tasks.report.lineage_chart import lineage_chart

        title = f"What {root.stage} {root.fingerprint[:12]} was made from"
        write_picture(picture, lineage_chart([root], title=title), title)
    elif as_json:
        write_json(as_values(root))
    else:
        _say_node(Console(), root, "", "")


def _say_node(console: Console, node: "Node", first: str, rest: str) -> None:
    from tasks.report.svg import size

    role = f"as {node.role}, " if node.role and node.role != node.stage else ""
    counted = f"{node.rows:,} row{'' if node.rows == 1 else 's'}, {size(node.bytes)}"
    if node.several:
        say(console, f"{first}{node.stage} x {node.several}  {role}{counted}")
    elif node.gone:
        say(console, f"{first}{node.stage} {node.fingerprint[:12]}  {role}{node.gone}")
    elif node.again:
        say(console, f"{first}{node.stage} {node.fingerprint[:12]}  {role}see above")
    else:
        of = f"of {node.source}, " if node.source else ""
        say(console, f"{first}{node.stage} {node.fingerprint[:12]}  {role}{of}{counted}")
        under = rest + ("│ " if node.inputs else "  ")
        if node.cost():
            say(console, f"{under}{node.cost()}")
        for line in node.differs[:MOST_FIELDS]:
            say(console, f"{under}differs from {node.before}: {line}")
        if len(node.differs) > MOST_FIELDS:
            say(console, f"{under}and {len(node.differs) - MOST_FIELDS} more: --json")
        for path in node.files[:MOST_FIELDS]:
            say(console, f"{under}file {path}")
        if len(node.files) > MOST_FIELDS:
            say(console, f"{under}and {len(node.files) - MOST_FIELDS} more files: --json")
    for number, inner in enumerate(node.inputs, 1):
        last = number == len(node.inputs)
        _say_node(console, inner, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))


@app.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="CORPUS_A", help="A corpus: sample/corpus@1, or a fingerprint.")],
    second: Annotated[str, typer.Argument(metavar="CORPUS_B", help="The other: sample/corpus is the newest.")],
    samples: Annotated[int, typer.Option(min=0, help="Texts shown of what went, and of what came.")] = 10,
    seed: Annotated[int, typer.Option(help="Of which texts are shown.")] = 0,
    as_json: Json = False,
    lake: Lake = DEFAULT_LAKE,
) -> None:
    """Two corpora side by side: what came, what went, and why.

    Counts by source, language and domain, the rules that moved documents, and what was configured otherwise.

    \b
    gristmill diff sample/corpus@1 sample/corpus
    gristmill diff sample/corpus@1 sample/corpus --samples 3 --json

    Costs: a join of the ids of both; texts are read of the samples alone.

    Never: changes anything.
    """
    from tasks.lineage.difference import compare_corpora

    folder = existing_lake(lake)
    told = compare_corpora(folder.get(first), folder.get(second), samples, seed)
    if as_json:
        write_json(told)
        return
    console = Console()
    for side in ("a", "b"):
        say(console, f"{side}  {told[side]['artifact']}")
        say(console, f"{told[side]['documents']:,} documents, {told[side]['bytes']:,} bytes of text", 3)
    say(console, f"in both: {told['both']:,} documents")
    for name, groups in told["groups"].items():
        say(console, f"\n{name:<36}{'a':>10}{'b':>10}{'out':>10}{'in':>10}")
        for one in groups:
            counts = "".join(f"{one[key]:>10,}" for key in ("a", "b", "out", "in"))
            say(console, f"{one['name'][:35]:<36}{counts}")
    for side, what in (("out", "dropped in b by"), ("in", "was dropped in a by")):
        if told["moves"][side]:
            say(console, f"\n{side + ': ' + what:<56}{'documents':>10}")
            for one in told["moves"][side]:
                say(console, f"{one['rule'][:55]:<56}{one['documents']:>10,}")
    if told["configuration"]:
        say(console, "\nconfigured otherwise")
        for one in told["configuration"]:
            say(console, f"{one['stage']}.{one['field']}: {_values(one['a'])} -> {_values(one['b'])}", 2)
    for side in ("out", "in"):
        for one in told["samples"][side]:
            say(console, f"\n{side}  {one['doc_id']}  {one['source']}  {one['rule']}")
            if one["url"]:
                say(console, one["url"], 4)
            say(console, " ".join(one["text"].split()), 4)


def _values(values: list[Any] | None) -> str:
    return "nothing" if values is None else ", ".join(map(str, values))
