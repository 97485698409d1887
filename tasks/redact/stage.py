"""The stage of redaction: spans of what is personal or secret in each document, and how many there are."""

from typing import Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from storage.schemas.redaction import REDACTION
from tasks.redact.numbers import IDENTITIES
from tasks.stage import StageConfig, stage

Kind = Literal["email", "ip", "phone", "credit_card", "iban", "national_id", "secret"]
Country = Literal["br", "cn", "de", "es", "fi", "fr", "in", "it", "nl", "pl", "se"]


class RedactConfig(StageConfig):
    """What is looked for. What becomes of it is under `mixture.redact` of a recipe; without that the text stays."""

    kinds: tuple[Kind, ...] = Field(default=get_args(Kind), description="Kinds of spans; an empty list: no stage.")
    countries: tuple[Country, ...] = Field(
        default=get_args(Country), description="Whose national numbers are looked for (those with a checksum)."
    )
    obfuscated_emails: bool = Field(
        default=True, description="Whether addresses with the words at and dot in place of the signs count."
    )
    reserved_domains: bool = Field(
        default=False, description="Whether addresses in domains made for examples count (example.org; RFC 2606)."
    )

    @property
    def enabled(self) -> bool:
        """Whether anything is looked for."""
        return bool(self.kinds)


@stage("redact", version=1, reads=["text", "language"], writes=REDACTION)
def find_personal(documents: pa.RecordBatch, config: RedactConfig) -> pa.RecordBatch:
    """One row per document: spans of personal data and secrets, and how many of them there are.

    Returns: columns of REDACTION. The language says how phone numbers without + are written.
    """
    from tasks.redact.find import Wanted, find_spans  # with its compiled loops

    countries = tuple(country for country in IDENTITIES if country in config.countries)
    wanted = Wanted(frozenset(config.kinds), countries, config.reserved_domains, config.obfuscated_emails)
    found = find_spans(documents.column("text"), documents.column("language").to_pylist(), wanted)
    item = REDACTION.schema.field("pii_spans").type.value_type
    spans = pa.StructArray.from_arrays(
        [pa.array(found.starts), pa.array(found.ends), pa.array(found.kinds, pa.string())], fields=list(item)
    )
    offsets = pa.array(found.offsets, pa.int32())
    lists = pa.ListArray.from_arrays(offsets, spans, type=REDACTION.schema.field("pii_spans").type)
    counts = pc.call_function("list_value_length", [lists])
    return pa.RecordBatch.from_arrays([lists, counts], schema=REDACTION.schema)
