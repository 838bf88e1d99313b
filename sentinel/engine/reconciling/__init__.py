"""One reconcile of one workload, from what is seen to what is decided."""
