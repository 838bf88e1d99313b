"""What a pod's status says: whose fault it is, and what the cluster has yet to do for it."""
