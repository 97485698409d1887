"""Commands that use a model, and the one that serves: complete, export, up."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.app import DEFAULT_LAKE, Lake, app, check_writable
from flows.cli.look import existing_lake
from storage.statements import Refused


@app.command()
def complete(
    model: Annotated[str, typer.Argument(help="A model by name (sample/tuned) or fingerprint.")],
    text: Annotated[str | None, typer.Argument(help="What is to be continued. Without it, a prompt.")] = None,
    tokens: Annotated[int, typer.Option(min=1, help="At most so many new tokens.")] = 100,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 takes the likeliest token each time.")] = 0.8,
    top_k: Annotated[int, typer.Option(min=0, help="Choose among so many likeliest tokens (0: all).")] = 50,
    seed: Annotated[int, typer.Option(help="The same seed gives the same words.")] = 0,
    chat: Annotated[bool, typer.Option("--chat", help="Put the text as a question to a fine-tuned model.")] = False,
    lake: Lake = DEFAULT_LAKE,
) -> None:
    """Let a model continue a text.

    \b
    gristmill complete sample/base "The mill"
    gristmill complete sample/tuned --chat "What is a mill?" --temperature 0

    Costs: the model is loaded, then --tokens steps of it.

    Never: trains the model, or keeps what was said.
    """
    from tasks.complete import Completer

    completer = Completer(existing_lake(lake).get(model))

    def say(prompt: str) -> None:
        for piece in completer.complete(
            prompt, max_tokens=tokens, temperature=temperature, top_k=top_k, seed=seed, chat=chat
        ):
            sys.stdout.write(piece)
            sys.stdout.flush()
        print()

    if text is not None:
        say(text)
        return
    while True:
        try:
            say(input("> "))
        except (EOFError, KeyboardInterrupt):
            print()
            return


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="A model by name (sample/tuned) or fingerprint.")],
    folder: Annotated[Path, typer.Argument(help="Where the Hugging Face folder is written; must be new or empty.")],
    lake: Lake = DEFAULT_LAKE,
) -> None:
    """Write a model as a folder that `transformers` loads.

    Weights, configuration, tokenizer, chat template.

    \b
    gristmill export sample/tuned tuned-model

    Costs: a copy of the weights.

    Never: writes over a file.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(f"{folder} is there already and not empty: nothing was written. Give a new folder.")
    from storage.export import copy_artifact
    from tasks.export import ExportConfig
    from tasks.export import export as stage
    from tasks.run import running

    place = existing_lake(lake)
    check_writable(lake)
    with running(place, "export", parameters={"model": model}, quiet=True):
        exported = stage(ExportConfig(), model=place.get(model))
    try:
        written = copy_artifact(exported, folder)
    except OSError as error:
        raise Refused(f"{folder} can't be written: {error.strerror}.") from error
    for path in written:
        print(path)


@app.command()
def up(
    lake: Lake = DEFAULT_LAKE,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the UI and of Prefect's API.")] = 4200,
    reports_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the reports (default: the one after the UI's).")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="How many runs go on side by side.")] = 2,
) -> None:
    """Start the UI, a worker and the schedules.

    Stays until Ctrl-C. Runs and schedules are started from the UI.

    \b
    gristmill up
    gristmill up --port 4300 --runs 1

    Costs: Prefect's server and a worker, as long as it is up.

    Never: listens beyond this machine, sends telemetry, or starts a run that nobody asked for.
    """
    from flows.serve.up import up as serve

    check_writable(lake)

    serve(lake, port, reports_port, runs)
