"""What each stage does: one file or folder a stage. May import `storage` and `models`; stages don't call each other."""
