"""The Kubernetes adapter: watches the workloads, changes them, and keeps the records in the cluster.

`gateway.KubernetesGateway` is the one entry; it carries the `Cluster` and the `RecordStore`.
"""
