"""What the API server knows of its types: schemas, discovery, validation, conversion."""
