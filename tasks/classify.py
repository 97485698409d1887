"""Score documents by trained classifiers: a column for each, `<name>_score`. No threshold: see `decide`."""

import numpy as np
import pyarrow as pa
from pydantic import Field

from storage.table import Table, column, table
from tasks.classifying import ClassifierModel, score_column
from tasks.config import StageConfig
from tasks.stage import stage

NAME = r"^[a-z][a-z0-9_]*$"


class NamedModel(ClassifierModel):
    """A classifier and the name of its column."""

    name: str = Field(pattern=NAME, description="Its column is <name>_score.")


class ClassifyConfig(StageConfig):
    """Which classifiers score the documents. Those that the recipe trains (`classifiers`) are added by the run."""

    models: tuple[NamedModel, ...] = Field(
        default=(), description="fastText classifiers from elsewhere: name, path, sha256, positive_label."
    )

    @property
    def enabled(self) -> bool:
        """Whether there is any."""
        return bool(self.models)


def scores_table(config: ClassifyConfig) -> Table:
    """A column for each classifier."""
    return table(
        *(
            column(
                f"{model.name}_score",
                pa.float32(),
                f"What the classifier {model.name} says: probability of {model.positive_label}, 0 to 1."
                if model.method == "fasttext"
                else f"What the head {model.name} predicts, on the scale of the labels it was given.",
            )
            for model in config.models
        )
    )


@stage("classify", version=2, reads=["text"], writes=scores_table)
def classify(documents: pa.RecordBatch, config: ClassifyConfig) -> pa.RecordBatch:
    """One row per document: each classifier's score, float32; null where it finds no word."""
    texts = documents.column("text")
    scores = {f"{model.name}_score": score_column(model, texts) for model in config.models}
    return pa.RecordBatch.from_pydict({name: pa.array(found, mask=np.isnan(found)) for name, found in scores.items()})
