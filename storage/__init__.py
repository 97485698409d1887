"""Where things lie: artifacts, manifests, the catalog, schemas, shard readers and writers, SQL views. Knows no stage."""
