"""What is personal or secret in a text: the kinds of spans, the marks that stand for them, and the columns."""

import pyarrow as pa

from storage.schemas.spans import SPANS
from storage.table import column, table

MARKS = {
    "email": "<EMAIL>",
    "ip": "<IP>",
    "phone": "<PHONE>",
    "credit_card": "<CREDIT_CARD>",
    "iban": "<IBAN>",
    "national_id": "<NATIONAL_ID>",
    "secret": "<SECRET>",
}
"""The kinds of spans of `pii_spans`, and the mark that stands for each where a recipe says `redact: true`."""

REDACTION = table(
    column(
        "pii_spans",
        SPANS,
        "Where the text names a person's address, number or key: email, ip, phone, credit_card, iban, national_id or "
        "secret. Applied by `mixture.redact`.",
    ),
    column("n_pii_spans", pa.int32(), "How many they are."),
)
