"""Whether a new snapshot is like the earlier ones of its source: shares that moved, and phrases that burst."""
