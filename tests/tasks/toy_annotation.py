"""An annotation stage for tests: it measures texts, and some texts are vicious."""

import ctypes

import pyarrow as pa
import pyarrow.compute as pc

from storage.table import column, table
from tasks.stage import StageConfig, stage

MEASURES = table(column("characters", pa.int64(), "Characters of the text."))


class MeasureConfig(StageConfig):
    """Nothing to choose."""


@stage("measure", version=1, reads=["text"], writes=MEASURES, batch_rows=32)
def measure(batch: pa.RecordBatch, config: MeasureConfig) -> pa.RecordBatch:
    """How long each text is; FATAL ends the process, ENDLESS never ends, WRONG is an error of the stage."""
    for text in batch.column("text").to_pylist():
        if "WRONG" in text:
            raise KeyError("no unit is known")
        if "FATAL" in text:
            ctypes.string_at(0)
        while "ENDLESS" in text:
            pass
    return pa.RecordBatch.from_arrays([pc.call_function("utf8_length", [batch.column("text")])], schema=MEASURES.schema)
