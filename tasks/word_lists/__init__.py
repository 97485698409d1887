"""Word lists that a user gives: how many of their words and phrases a document holds, by list.

`lists` reads them, `stage` counts. Which documents go is in the recipe's `decide` section.
"""
