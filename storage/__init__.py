"""Where things lie: artifacts, manifests, the catalog, schemas, shards, SQL views. Knows no stage."""
