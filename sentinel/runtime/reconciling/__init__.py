"""The work queue and the reconcile of one workload: read, judge, decide, write, act."""
