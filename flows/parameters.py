"""The parameters that flows share, as the UI's form and the command line show them."""

from typing import Annotated

from pydantic import Field

RecipeName = Annotated[
    str,
    Field(
        title="Recipe", description="A recipe that ships with Gristmill (such as sample), or the path of a YAML file."
    ),
]
Settings = Annotated[
    list[str],
    Field(title="Dials", description="Changes to the recipe, each key=value, such as decide.gopher.min_words=40."),
]
Snapshots = Annotated[
    list[str],
    Field(
        title="Snapshots",
        description="Only these snapshots, each by fingerprint or the start of one. Empty: all, and what is new.",
    ),
]
LakePath = Annotated[
    str | None, Field(title="Lake", description="Folder of the lake. Empty: GRISTMILL_LAKE, or ./lake.")
]
Workers = Annotated[
    int | None, Field(title="Workers", ge=1, le=512, description="Worker processes. Empty: one for each core.")
]
ModelName = Annotated[
    str | None, Field(title="Model", description="A model by name or fingerprint. Empty: the newest of the recipe.")
]
CorpusName = Annotated[
    str | None,
    Field(
        title="Corpus",
        description="A corpus by name or fingerprint. Empty: the recipe's newest; to evaluate, the model's own.",
    ),
]
