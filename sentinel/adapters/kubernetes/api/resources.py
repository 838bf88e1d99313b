"""The API resources that the adapter uses, and their paths."""

from urllib.parse import quote

from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class ApiResource:
    """One resource of the API: `plural` in `group` (empty: core) and `version` (empty: the server's own, no API's)."""

    group: str
    version: str
    plural: str
    namespaced: bool = True

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """As objects write it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection (of all namespaces where none is given), an object or a subresource."""
        if not self.version:
            return f"/{self.plural}"
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        space = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        tail = "".join(f"/{quote(part, safe='')}" for part in (name, subresource) if part)
        return f"{root}{space}/{self.plural}{tail}"


Verbs = tuple[ApiResource, str, tuple[str, ...]]
"""A resource, its subresource (or empty), and what the account must be allowed to do with it."""

DEPLOYMENTS = ApiResource("apps", "v1", "deployments")
ROLLOUTS = ApiResource("argoproj.io", "v1alpha1", "rollouts")
APPLICATIONS = ApiResource("argoproj.io", "v1alpha1", "applications")
APPLICATION_SETS = ApiResource("argoproj.io", "v1alpha1", "applicationsets")
KUSTOMIZATIONS = ApiResource("kustomize.toolkit.fluxcd.io", "v1", "kustomizations")
HELM_RELEASES = ApiResource("helm.toolkit.fluxcd.io", "v2", "helmreleases")
GIT_REPOSITORIES = ApiResource("source.toolkit.fluxcd.io", "v1", "gitrepositories")
HELM_CHARTS = ApiResource("source.toolkit.fluxcd.io", "v1", "helmcharts")
OCI_REPOSITORIES = ApiResource("source.toolkit.fluxcd.io", "v1", "ocirepositories")
REPLICA_SETS = ApiResource("apps", "v1", "replicasets")
STATEFUL_SETS = ApiResource("apps", "v1", "statefulsets")
DAEMON_SETS = ApiResource("apps", "v1", "daemonsets")
CONTROLLER_REVISIONS = ApiResource("apps", "v1", "controllerrevisions")
HTTP_ROUTES = ApiResource("gateway.networking.k8s.io", "v1", "httproutes")
GRPC_ROUTES = ApiResource("gateway.networking.k8s.io", "v1", "grpcroutes")
VIRTUAL_SERVICES = ApiResource("networking.istio.io", "v1", "virtualservices")
TRAEFIK_SERVICES = ApiResource("traefik.io", "v1alpha1", "traefikservices")
SERVICES = ApiResource("", "v1", "services")
PODS = ApiResource("", "v1", "pods")
NAMESPACES = ApiResource("", "v1", "namespaces", namespaced=False)
NODES = ApiResource("", "v1", "nodes", namespaced=False)
CONFIG_MAPS = ApiResource("", "v1", "configmaps")
SECRETS = ApiResource("", "v1", "secrets")
SERVICE_ACCOUNTS = ApiResource("", "v1", "serviceaccounts")
CLAIMS = ApiResource("", "v1", "persistentvolumeclaims")
EVENTS = ApiResource("", "v1", "events")
RECORDS = ApiResource("rollback-sentinel.dev", "v1", "rolloutrecords")
JOBS = ApiResource("batch", "v1", "jobs")
LEASES = ApiResource("coordination.k8s.io", "v1", "leases")
COMMANDS = ApiResource("rollback-sentinel.dev", "v1", "rolloutcommands")
POLICIES = ApiResource("rollback-sentinel.dev", "v1", "rolloutpolicies")
CLUSTER_POLICIES = ApiResource("rollback-sentinel.dev", "v1", "clusterrolloutpolicies", namespaced=False)
HISTORIES = ApiResource("rollback-sentinel.dev", "v1", "rollouthistories")
VERSION = ApiResource("", "", "version", namespaced=False)
ACCESS_REVIEWS = ApiResource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", namespaced=False)
