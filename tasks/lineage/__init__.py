"""What was read by whom, and what came of what: asked of the lake after the fact. No stage."""
