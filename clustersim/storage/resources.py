"""The resource types that the simulated API server serves."""

from __future__ import annotations

from dataclasses import dataclass

_STATUS = frozenset({"status"})
_SCALABLE = frozenset({"status", "scale"})
_ALL = ("all",)


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A served resource: its names and its subresources.

    `generations` says whether objects carry `metadata.generation`, `list_kind` names the list where it is not
    the kind with `List`, `list_keys` are the keyed lists of a custom resource by field name.
    """

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()
    generations: bool = False
    list_kind: str = ""
    custom: bool = False
    list_keys: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def api_version(self) -> str:
        """`group/version`, or the version alone in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`plural.group`, as error messages name the resource."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def key(self) -> tuple[str, str]:
        """Where objects are stored: the same for every served version."""
        return (self.group, self.plural)

    @property
    def listed_kind(self) -> str:
        """The kind of a list of these objects."""
        return self.list_kind or f"{self.kind}List"


DEPLOYMENTS = ResourceType(
    "apps", "v1", "deployments", "deployment", "Deployment", True, ("deploy",), _ALL, _SCALABLE, True
)
REPLICASETS = ResourceType(
    "apps", "v1", "replicasets", "replicaset", "ReplicaSet", True, ("rs",), _ALL, _SCALABLE, True
)
STATEFULSETS = ResourceType(
    "apps", "v1", "statefulsets", "statefulset", "StatefulSet", True, ("sts",), _ALL, _SCALABLE, True
)
DAEMONSETS = ResourceType(
    "apps", "v1", "daemonsets", "daemonset", "DaemonSet", True, ("ds",), _ALL, _STATUS, True
)
CONTROLLER_REVISIONS = ResourceType(
    "apps", "v1", "controllerrevisions", "controllerrevision", "ControllerRevision"
)
PODS = ResourceType(
    "", "v1", "pods", "pod", "Pod", True, ("po",), _ALL, frozenset({"status", "eviction", "binding"}), True
)
SERVICES = ResourceType("", "v1", "services", "service", "Service", True, ("svc",), _ALL, _STATUS)
NODES = ResourceType("", "v1", "nodes", "node", "Node", False, ("no",), (), _STATUS)
NAMESPACES = ResourceType(
    "", "v1", "namespaces", "namespace", "Namespace", False, ("ns",), (), frozenset({"status", "finalize"})
)
CONFIGMAPS = ResourceType("", "v1", "configmaps", "configmap", "ConfigMap", True, ("cm",))
SECRETS = ResourceType("", "v1", "secrets", "secret", "Secret")
SERVICE_ACCOUNTS = ResourceType(
    "", "v1", "serviceaccounts", "serviceaccount", "ServiceAccount", True, ("sa",)
)
ENDPOINTS = ResourceType(
    "", "v1", "endpoints", "endpoints", "Endpoints", True, ("ep",), list_kind="EndpointsList"
)
PERSISTENT_VOLUME_CLAIMS = ResourceType(
    "",
    "v1",
    "persistentvolumeclaims",
    "persistentvolumeclaim",
    "PersistentVolumeClaim",
    True,
    ("pvc",),
    (),
    _STATUS,
)
EVENTS = ResourceType("", "v1", "events", "event", "Event", True, ("ev",))
EVENTS_V1 = ResourceType("events.k8s.io", "v1", "events", "event", "Event", True, ("ev",))
LEASES = ResourceType("coordination.k8s.io", "v1", "leases", "lease", "Lease")
ENDPOINT_SLICES = ResourceType(
    "discovery.k8s.io", "v1", "endpointslices", "endpointslice", "EndpointSlice", generations=True
)
JOBS = ResourceType("batch", "v1", "jobs", "job", "Job", True, (), _ALL, _STATUS, True)
CRON_JOBS = ResourceType("batch", "v1", "cronjobs", "cronjob", "CronJob", True, ("cj",), _ALL, _STATUS, True)
HPAS = ResourceType(
    "autoscaling",
    "v2",
    "horizontalpodautoscalers",
    "horizontalpodautoscaler",
    "HorizontalPodAutoscaler",
    True,
    ("hpa",),
    _ALL,
    _STATUS,
)
PDBS = ResourceType(
    "policy",
    "v1",
    "poddisruptionbudgets",
    "poddisruptionbudget",
    "PodDisruptionBudget",
    True,
    ("pdb",),
    (),
    _STATUS,
    True,
)
INGRESSES = ResourceType(
    "networking.k8s.io", "v1", "ingresses", "ingress", "Ingress", True, ("ing",), (), _STATUS, True
)
NETWORK_POLICIES = ResourceType(
    "networking.k8s.io",
    "v1",
    "networkpolicies",
    "networkpolicy",
    "NetworkPolicy",
    True,
    ("netpol",),
    (),
    frozenset(),
    True,
)
CRDS = ResourceType(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "customresourcedefinition",
    "CustomResourceDefinition",
    False,
    ("crd", "crds"),
    ("api-extensions",),
    _STATUS,
    True,
)
ROLES = ResourceType("rbac.authorization.k8s.io", "v1", "roles", "role", "Role")
ROLE_BINDINGS = ResourceType("rbac.authorization.k8s.io", "v1", "rolebindings", "rolebinding", "RoleBinding")
CLUSTER_ROLES = ResourceType(
    "rbac.authorization.k8s.io", "v1", "clusterroles", "clusterrole", "ClusterRole", False
)
CLUSTER_ROLE_BINDINGS = ResourceType(
    "rbac.authorization.k8s.io",
    "v1",
    "clusterrolebindings",
    "clusterrolebinding",
    "ClusterRoleBinding",
    False,
)
VALIDATING_ADMISSION_POLICIES = ResourceType(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicies",
    "validatingadmissionpolicy",
    "ValidatingAdmissionPolicy",
    False,
    (),
    ("api-extensions",),
    _STATUS,
    True,
)
VALIDATING_ADMISSION_POLICY_BINDINGS = ResourceType(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicybindings",
    "validatingadmissionpolicybinding",
    "ValidatingAdmissionPolicyBinding",
    False,
    (),
    ("api-extensions",),
    frozenset(),
    True,
)

BUILT_IN: tuple[ResourceType, ...] = (
    CONFIGMAPS,
    ENDPOINTS,
    EVENTS,
    NAMESPACES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    CONTROLLER_REVISIONS,
    DAEMONSETS,
    DEPLOYMENTS,
    REPLICASETS,
    STATEFULSETS,
    EVENTS_V1,
    HPAS,
    CRON_JOBS,
    JOBS,
    INGRESSES,
    NETWORK_POLICIES,
    PDBS,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    VALIDATING_ADMISSION_POLICIES,
    VALIDATING_ADMISSION_POLICY_BINDINGS,
    CRDS,
    LEASES,
    ENDPOINT_SLICES,
)
"""Every type that the server knows without a CRD, by group in the order of discovery."""
