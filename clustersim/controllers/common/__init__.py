"""What the controllers share: ownership, templates, revisions, events."""
