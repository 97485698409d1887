"""Warnings as sentences: the console, the report and the error of a refusal say the same."""

from collections.abc import Mapping
from typing import Any


def say(row: Mapping[str, Any]) -> str:
    """A warning as a sentence, without any text of a document."""
    where = row["source"] if row["scope"] == "source" else f"{row['source']}, {row['scope']} {row['name']}"
    shares = f"{row['value']:.1%} ({row['count']:,} of {row['of']:,}), before {row['expected']:.1%}"
    told = {
        "yield": f"only {shares} pass the rules",
        "drops": f"the rule {row['what']} drops {shares}",
        "copies": f"{shares} are copies",
        "losses": f"{shares} of the records are lost as {row['what']}",
        "short": f"{shares} are shorter than the middle one of the earlier documents",
        "language": f"{shares} are in the language {row['what']}",
        "burst": f"a phrase on {row['count']:,} kept documents of {row['domains'] or 0:,} domains, before on "
        f"{row['known_count']:,} of {row['known_of']:,}",
    }
    at = f" First in {row['places'][0]['doc_id']}." if row["places"] else ""
    return f"{where}: {told[row['metric']]}.{at}"
