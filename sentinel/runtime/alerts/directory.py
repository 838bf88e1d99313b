"""The cluster's workloads as alerts' labels are read by them."""

from sentinel.engine.alerts.naming import Directory
from sentinel.ports import Cluster


def directory_of(cluster: Cluster) -> Directory:
    """What is known now; made once for all the alerts of a post or a record."""
    return Directory(
        frozenset(cluster.keys()), cluster.owner_of_pod, cluster.workloads_behind, cluster.pair_of
    )
