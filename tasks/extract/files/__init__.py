"""Files that are one document each: plain text, Markdown, saved pages, PDF, EPUB. Its place is the file: bytes 0 to the
end, as it lies on the disk, compressed or not."""
