"""What a training run shows in the UI: one row of figures, and the loss curve."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from storage.artifact import MAIN_TABLE, Artifact
from tasks.report.charts import data_uri, line_chart

CURVE_POINTS = 240


def training_summary(artifact: Artifact) -> list[dict[str, Any]]:
    """One row for the UI: how long, from which loss to which, how fast."""
    rows = artifact.read().to_pylist()
    held = [row for row in rows if row["validation_loss"] is not None]
    notes = artifact.provenance.get("notes", {}).get("0", {})
    last = rows[-max(1, len(rows) // 50) :]
    return [
        {
            "steps": len(rows),
            "tokens": rows[-1]["tokens_seen"],
            "first loss": round(rows[0]["loss"], 4),
            "last loss": round(float(np.mean([row["loss"] for row in last])), 4),
            "held-out loss": round(held[-1]["validation_loss"], 4) if held else None,
            "held-out bits per byte": round(held[-1]["validation_bits_per_byte"], 4)
            if held and held[-1]["validation_bits_per_byte"] is not None
            else None,
            "tokens/s": notes.get("tokens_per_second"),
        }
    ]


def describe_training(artifact: Artifact) -> str:
    """The loss curve as Markdown with an image in it (a page can't link to a file)."""
    table = artifact.read(["step", "loss", "validation_loss"], MAIN_TABLE).to_pydict()
    series = {"training": _smoothed(table["step"], table["loss"])}
    held = [
        (float(step), loss)
        for step, loss in zip(table["step"], table["validation_loss"], strict=True)
        if loss is not None
    ]
    if held:
        series["held out"] = held
    chart = line_chart(series, title=f"Loss of {artifact}", x_label="step", y_label="nats a token")
    return f"![Loss of {artifact} by step]({data_uri(chart)})\n"


def _smoothed(steps: Sequence[int], losses: Sequence[float]) -> list[tuple[float, float]]:
    """At most CURVE_POINTS means of neighbours: one step's loss says more of its rows than of the model."""
    pieces = min(CURVE_POINTS, len(losses))
    places, values = np.array_split(np.asarray(steps, float), pieces), np.array_split(np.asarray(losses), pieces)
    return [(float(place.mean()), float(value.mean())) for place, value in zip(places, values, strict=True)]
