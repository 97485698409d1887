"""The limits past which a new snapshot is said to have drifted."""

from pydantic import Field

from tasks.config import StageConfig


class BurstConfig(StageConfig):
    """When a phrase bursts: it is new, or was rare, and stands on pages of many domains at once."""

    min_documents: int = Field(
        default=50,
        ge=2,
        description="Kept documents of a snapshot that hold the phrase, at least. It is no share: to poison a model "
        "takes about 250 documents however large the corpus is (Souly et al. 2025).",
    )
    min_domains: int = Field(
        default=20, ge=1, description="Registered domains they are on, at least. A document without URL is its own."
    )
    min_ratio: float = Field(
        default=10.0, gt=1, description="How many times its share of the documents before the share now is, at least."
    )


class DriftConfig(StageConfig):
    """Limits of a new snapshot's shares beside those of all earlier snapshots of its source.

    A share is past its limit by chance in few documents: each must also differ by Fisher's exact test, one-sided.
    """

    min_documents: int = Field(
        default=100,
        ge=1,
        description="A source, domain or language with fewer documents than this, new ones or earlier ones, is not "
        "compared.",
    )
    significance: float = Field(
        default=1e-4,
        gt=0,
        lt=1,
        description="A count is past chance if Fisher's exact test gives less than this, divided by the number of "
        "comparisons of the snapshot (Bonferroni).",
    )
    min_yield: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="A warning where the share of documents that pass all rules (copies among them) is below this "
        "times what it was; per source, domain and language.",
    )
    max_drop_rise: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="A warning where the share that one rule drops is higher by more than this; per source, domain and "
        "language.",
    )
    max_copies_rise: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="A warning where the share dropped as copies is higher by more than this. Later snapshots meet "
        "more known documents, so it rises of itself.",
    )
    max_loss_rise: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="A warning where the share of records that became no document, for one reason, is higher by more "
        "than this; per source.",
    )
    max_short_rise: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="A warning where the share of documents shorter than the median of the earlier ones is higher by "
        "more than this: pages cut short, or an extractor that fails on them; per source.",
    )
    max_language_rise: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="A warning where a language's share of the documents is higher by more than this; per source.",
    )
    burst: BurstConfig | None = Field(
        default=BurstConfig(), description="When a phrase bursts. Null: no burst is looked for."
    )
