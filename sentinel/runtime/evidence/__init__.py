"""Evidence: asked for on time, kept bounded, remembered."""
