"""What people read about rollouts: figures from records and their history, without I/O."""
