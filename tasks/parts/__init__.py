"""Parts: lines, paragraphs and runs of words of each document, hashed once, so that `decide` finds what many share."""
