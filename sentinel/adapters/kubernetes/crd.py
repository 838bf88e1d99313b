"""The RolloutRecord custom resource definition: where it is and how it gets into a cluster."""

CRD_FILE = "helm/rollback-sentinel/crds/rolloutrecords.yaml"
CRD_NAME = "rolloutrecords.rollback-sentinel.dev"


def how_to_install() -> str:
    """The sentence for someone whose cluster lacks the definition."""
    return (
        f"the cluster does not know RolloutRecords: run `kubectl apply -f {CRD_FILE}` "
        "(installing the Helm chart does it as well), as someone who may create CustomResourceDefinitions"
    )
