"""Extractors of the main text of HTML pages: trafilatura, resiliparse, and a scanner and cascade of our own."""
