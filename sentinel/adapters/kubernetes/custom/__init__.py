"""Our own resources: records, commands, freezes."""
