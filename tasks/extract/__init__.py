"""From the bytes of a source to rows: every record becomes one document or one loss, with its place in the file."""
