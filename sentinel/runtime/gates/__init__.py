"""Gates: asked and run."""
