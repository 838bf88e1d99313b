"""The namespace that is meant where none is named."""

from pathlib import Path

import yaml

from sentinel.adapters.kubernetes.api.context import current_namespace


def kubeconfig(folder: Path) -> str:
    """Two contexts, the current one in namespace `shop`."""
    contexts = [
        {"name": "a", "context": {"cluster": "c", "user": "u", "namespace": "shop"}},
        {"name": "b", "context": {"cluster": "c", "user": "u"}},
    ]
    file = folder / "kubeconfig"
    named = [{"name": "c", "cluster": {"server": "http://x"}}], [{"name": "u", "user": {}}]
    config = {"apiVersion": "v1", "kind": "Config", "clusters": named[0], "users": named[1]}
    file.write_text(yaml.safe_dump({**config, "contexts": contexts, "current-context": "a"}))
    return str(file)


def test_the_current_contexts_namespace_is_meant(tmp_path: Path) -> None:
    """As kubectl has it; a context without one means `default`."""
    file = kubeconfig(tmp_path)
    assert current_namespace(file, None, {}) == "shop"
    assert current_namespace(file, "b", {}) == "default"
    assert current_namespace(None, "a", {"KUBECONFIG": f"{tmp_path / 'absent'}:{file}"}) == "shop"


def test_inside_a_cluster_it_is_the_pods_own(tmp_path: Path) -> None:
    """The service account's folder names it."""
    (tmp_path / "namespace").write_text("ops\n")
    assert current_namespace(None, None, {"KUBERNETES_SERVICE_HOST": "x"}, tmp_path) == "ops"


def test_what_cannot_be_read_names_none(tmp_path: Path) -> None:
    """Connecting says what is wrong with it."""
    broken = tmp_path / "broken"
    broken.write_text("[")
    assert current_namespace(str(broken), None, {}) == "default"
    assert current_namespace(str(tmp_path / "absent"), None, {}) == "default"
