"""The report of a run: one HTML file without requests, its pictures, and the closing table in the terminal."""
