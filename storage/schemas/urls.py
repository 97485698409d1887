"""What is said of a document's URL. No threshold stands here."""

import pyarrow as pa

from storage.table import column, table

URLS = table(
    column(
        "registered_domain",
        pa.string(),
        "The domain below the public suffix that the URL's host belongs to (example.co.uk); null: an address, no host.",
    ),
    column("blocked_by", pa.string(), "The first of the recipe's block lists that holds the URL; null: none does."),
    column("blocked_entry", pa.string(), "The entry of that list, the longest if several fit."),
    column("blocked_lists", pa.list_(pa.string()), "All block lists that hold the URL, in the recipe's order."),
    column("n_soft_words", pa.int32(), "Different words of the lists of soft words that stand in the URL."),
)
