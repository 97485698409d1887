"""What a person can run: one file a flow, each readable as a table of contents, and the command line."""
