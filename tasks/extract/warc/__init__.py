"""WARC files, layer by layer: members of compressed files, and the records in what they decode to."""
