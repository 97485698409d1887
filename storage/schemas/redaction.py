"""What is personal or secret in a text: the kinds of spans, the marks that stand for them, and the columns."""

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
