"""What makes two documents duplicates: edges between them, by each kind of evidence.

`canonical_url` gives addresses of one page one form, `near` finds documents of a common bucket and verifies them by
estimated or exact Jaccard, `simhash` finds hashes that differ in few bits, `semantic` embeddings that point the same
way; `kernels` are the compiled loops. Clusters are made of all their edges in `tasks.decide.clusters`.
"""
