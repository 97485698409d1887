"""Quality metrics of the published rule sets, one row per document. No threshold stands here: see `decide`."""
