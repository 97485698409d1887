"""What was explained of a document, a conversation or a question, as a person reads it."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from flows.cli.rows import say
from storage.sql import quoted
from tasks.lineage.explain import Told

MOST_LINES = 12
"""Steps, places and documents of one list that are shown unasked."""
MOST_CHARACTERS = 120
RETOLD = ("compose", "tokenize")
"""Stages whose rows are told by the path: in which corpora a document is, and where its tokens are."""


def print_told(console: Console, told: Told, *, everything: bool) -> None:
    """Everything that was found, kind by kind; `everything`: no list is cut."""
    most = None if everything else MOST_LINES
    documents, left_out = told["documents"], told["left_out"]
    if len(documents) > 1:
        many = len(documents) + left_out.get("documents", 0)
        say(console, f"{many:,} documents, the newest first:")
        for one in documents:
            say(console, f"  {one['doc_id']}  {one['captured'] or 'no date':<19}  {one['source']}")
        _say_left_out(console, left_out, "documents")
    for one in documents:
        _print_document(console, one, most)
    for one in told.get("conversations", ()):
        _print_conversation(console, one, most)
    _say_left_out(console, left_out, "conversations")
    for one in told.get("questions", ()):
        _print_question(console, one, most)
    _say_left_out(console, left_out, "questions")
    for loss in told["losses"]:
        _print_row(console, "losses", loss, most)
    _say_left_out(console, left_out, "losses", "rows of losses")


def _print_document(console: Console, document: Told, most: int | None) -> None:
    """What every stage said, then rules beside their limits, the cluster, corpora, token spans, and readers."""
    console.print(f"[bold]document {document['doc_id']}[/bold]", highlight=False)
    for one in document["forgotten"]:
        state = "its text is gone" if one["text_is_gone"] else "the next run is without its text"
        say(console, f"  forgotten by tombstone {one['tombstone']} ({one['names']}) since {one['since']}: {state}")
    for view, rows in document["stages"].items():
        for row in rows if view not in RETOLD else ():
            _print_row(console, view, row, most)
        if view not in RETOLD:
            _say_left_out(console, document["left_out"], view, f"rows of {view}")
    for decision in document["decisions"]:
        _print_decision(console, decision)
    for corpus in document["corpora"]:
        phases = corpus["phase_copies"]
        split = f", by phase: {', '.join(map(str, phases))}" if len(phases or ()) > 1 else ""
        say(console, f"  in corpus {_called(corpus)}: {corpus['split']}, copies: {corpus['copies']}{split}")
        _say_marks(console, corpus)
    for span in document["tokens"]:
        where = f"shard {span['shard']}, from {span['start']}, {span['length']} long"
        say(console, f"  tokens {span['artifact'][:21]}  {where}")
        _say_marks(console, span)
    _print_packings(console, document["packings"], most)
    for model in document["models"]:
        _print_reader(console, model, most)
    if not document["models"]:
        say(console, "  no model has read it")


def _print_packings(console: Console, spans: Sequence[Mapping[str, Any]], most: int | None) -> None:
    """The rows that a document was laid into, a line for each packing, split and phase."""
    laid: dict[str, list[int]] = {}
    for span in spans:
        laid.setdefault(f"{span['artifact'][:17]}  {span['split']}, phase {span['phase']}", []).append(span["row"])
    for where, numbers in laid.items():
        different = list(dict.fromkeys(numbers))
        say(console, f"  rows {where}: {', '.join(map(str, different[:most]))}")
        if most is not None:
            _say_left_out(console, {"rows": max(len(different) - most, 0)}, "rows", indent=4)


def _print_decision(console: Console, decision: Told) -> None:
    say(console, f"  rules of {decision['artifact'][:19]}")
    for rule in decision["rules"]:
        mark = "drops" if rule["drops"] else "passes"
        value = rule["value"]
        shown = "no value" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
        # a predicate of the recipe has no one value
        shown = f"{shown}, " if rule["column"] else ""
        say(console, f"    {mark:<6}  {rule['rule']:<36} {shown}{rule['says']}")
    for member in decision["members"]:
        say(console, f"    copy    {member['doc_id']}  {member['url'] or ''}")
        say(console, f"            {member['why']}")
    _say_left_out(console, decision["left_out"], "members", "members of its cluster", indent=4)


def _print_reader(console: Console, model: Told, most: int | None) -> None:
    """A model that read a document or conversation: which steps, or through which base."""
    if "through" in model:
        say(console, f"  read by {_called(model)}: through its base {model['through'][:21]}")
    else:
        steps: dict[int, list[int]] = {}
        for read in model["reads"]:
            steps.setdefault(read["step"], []).append(read["row"])
        said = [f"step {step} (row {', '.join(map(str, dict.fromkeys(rows)))})" for step, rows in steps.items()]
        say(console, f"  read by {_called(model)}: {len(steps):,} step{'' if len(steps) == 1 else 's'}")
        for one in said[:most]:
            say(console, f"    {one}")
        if most is not None:
            _say_left_out(console, {"steps": max(len(said) - most, 0)}, "steps", indent=4)
    _say_marks(console, model)


def _print_conversation(console: Console, conversation: Told, most: int | None) -> None:
    """Where a conversation stands, and what became of it in each model that was given it."""
    console.print(f"[bold]conversation {conversation['conversation_id']}[/bold]", highlight=False)
    _print_row(console, "conversations", {k: v for k, v in conversation.items() if k != "models"}, most)
    _say_query(console, "what it says", "messages", "conversations", "conversation_id", conversation)
    for model in conversation["models"]:
        if "through" not in model:
            say(console, f"  {_called(model)}: {_outcome(model)}")
        if model.get("reads") or "through" in model:
            _print_reader(console, model, most)
    if not conversation["models"]:
        say(console, "  no model was given it")


def _outcome(model: Mapping[str, Any]) -> str:
    """What fine-tuning made of a conversation, in a sentence."""
    said = f"{model['split']}, {model['outcome']}, {model['kept_tokens']:,} of {model['tokens']:,} tokens"
    if model.get("copy_of"):
        said += f"; {model['copy_of']} says the same"
    if model["row"] is not None:
        said += f", row {model['row']:,} from token {model['position']}"
    if model.get("measured_after_steps"):
        said += f"; its loss was measured after the steps {', '.join(map(str, model['measured_after_steps']))}"
    return said


def _print_question(console: Console, question: Told, most: int | None) -> None:
    """Where a question stands, the evaluations that asked it, and the documents that hold it."""
    console.print(f"[bold]question {question['question_id']}[/bold]", highlight=False)
    row = {name: value for name, value in question.items() if name not in ("evaluations", "documents_that_hold_it")}
    _print_row(console, "questions", row, most)
    _say_query(console, "what it asks", "context, choices", "questions", "question_id", question)
    for asked in question["evaluations"]:
        say(console, f"  asked by {_called(asked)}: of {_called(asked['model'])}")
        _say_marks(console, asked)
        for choice in asked["choices"]:
            marks = [word for word in ("chosen", "chosen_per_byte", "gold") if choice[word]]
            said = f"log-probability {choice['log_probability']:.4f} of {choice['tokens']} tokens"
            say(console, f"    choice {choice['choice']}  {said}  {', '.join(marks).replace('_', ' ')}".rstrip())
        right = f"{_right(asked['right'])}, by log-probability per byte {_right(asked['right_per_byte'])}"
        say(console, f"    its answer is {right}")
    if not question["evaluations"]:
        say(console, "  no evaluation asked it")
    holding = question["documents_that_hold_it"]
    for doc_id in holding[:most]:
        say(console, f"  stands in document {doc_id}")
    if most is not None:
        _say_left_out(console, {"documents": max(len(holding) - most, 0)}, "documents")


def _right(right: bool) -> str:
    return "right" if right else "wrong"


def _called(artifact: Mapping[str, Any]) -> str:
    """An artifact with its names: compose/2ace5f172bbe  sample/corpus@1."""
    stage, _, fingerprint = artifact["artifact"].partition("/")
    return f"{stage}/{fingerprint[:12]}  {', '.join(artifact['names']) or 'no name'}"


def _say_marks(console: Console, artifact: Mapping[str, Any]) -> None:
    for mark in artifact["marks"]:
        say(console, f"    {mark}")


def _say_left_out(
    console: Console, left_out: Mapping[str, int], name: str, what: str | None = None, indent: int = 2
) -> None:
    """How much of a list is not shown, and how all of it is."""
    if count := left_out.get(name, 0):
        what = what or name
        what = what.replace("rows", "row").removesuffix("s") if count == 1 else what
        say(console, f"{' ' * indent}and {count:,} more {what}: --all shows all")


def _say_query(console: Console, what: str, columns: str, view: str, key: str, row: Mapping[str, Any]) -> None:
    """How a text is looked up: none is shown here."""
    query = f"select {columns} from {view} where {key} = {quoted(row[key])}"
    _print_value(console, f"{what}:", f'gristmill sql "{query}"')


def _print_row(console: Console, view: str, row: Mapping[str, Any], most: int | None) -> None:
    fingerprint = row.get("fingerprint")
    console.print(f"  [bold]{view}[/bold]" + (f"  {fingerprint[:12]}" if fingerprint else ""))
    for name, value in row.items():
        if name == "fingerprint" or value is None:
            continue
        if isinstance(value, list) and value and isinstance(value[0], dict):
            _print_places(console, name, value, most)
            continue
        shown = f"{value:.6g}" if isinstance(value, float) else str(value)
        if most is not None and len(shown) > MOST_CHARACTERS:
            shown = f"{shown[:MOST_CHARACTERS]}… (--all shows all)"
        _print_value(console, name, shown)
    if row.get("contaminated_by"):
        _say_where_items_are(console, row["contaminated_by"])


def _print_places(console: Console, name: str, places: Sequence[Mapping[str, Any]], most: int | None) -> None:
    """Spans and matches, one a line: ids and places, and no text."""
    for number, one in enumerate(places[:most]):
        told = dict(one)
        where = f"{told.pop('start')}:{told.pop('end')}" if {"start", "end"} <= told.keys() else ""
        said = [f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in told.items()]
        _print_value(console, "" if number else name, "  ".join([*([where] if where else []), *said]))
    if most is not None and len(places) > most:
        _print_value(console, "", f"and {len(places) - most:,} more: --all shows all")


def _print_value(console: Console, name: str, shown: str) -> None:
    say(console, f"    {name:<34} {shown}")


def _say_where_items_are(console: Console, matches: Sequence[Mapping[str, Any]]) -> None:
    """How the text of the first item is looked up: no text of an evaluation set stands in what a stage wrote."""
    item = matches[0]["item"]
    for what, query in (
        ("the item", f"from questions select context, choices where question_id = {quoted(item)}"),
        ("or, of a set of texts", f"from extract select text where doc_id = {quoted(item)}"),
    ):
        _print_value(console, what + ":", f'gristmill sql "{query}"')
