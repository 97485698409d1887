"""Every table of the spine: its columns, their units and sources, in one place."""
