"""What the API server knows about its types: schemas, discovery, validation, conversion."""
