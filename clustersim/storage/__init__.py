"""What an API server keeps: objects, versions, field managers, patches and defaults."""
