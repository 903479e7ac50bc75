#!/usr/bin/env bash
# clusterctl (sigs.k8s.io/cluster-api v1.14.0): components whose Deployment names an image without a registry cannot be installed.
#
# Seen: `image: manager:v1.0.0`, which Kubernetes runs as docker.io/library/manager:v1.0.0, is refused by `clusterctl generate provider`
# and `clusterctl init` ("couldn't parse image name: repository name must be canonical"), also when no image is overridden in the
# configuration. With docker.io/library/ before it, it is taken.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'MOD'
module finding

go 1.25

require sigs.k8s.io/cluster-api v1.14.0

replace sigs.k8s.io/cluster-api/api => sigs.k8s.io/cluster-api/api v1.14.0
MOD
GOFLAGS=-mod=mod go build -o clusterctl sigs.k8s.io/cluster-api/cmd/clusterctl >go.log 2>&1 || { cat go.log; exit 2; }
export CLUSTERCTL_DISABLE_VERSIONCHECK=true
release=$dir/infrastructure-finding/v1.0.0
mkdir -p "$release"
cat >"$release/metadata.yaml" <<'YAML'
apiVersion: clusterctl.cluster.x-k8s.io/v1alpha3
kind: Metadata
releaseSeries:
  - {major: 1, minor: 0, contract: v1beta2}
YAML
cat >config.yaml <<YAML
providers:
  - name: finding
    type: InfrastructureProvider
    url: file://$release/infrastructure-components.yaml
YAML
for image in manager:v1.0.0 docker.io/library/manager:v1.0.0; do
  cat >"$release/infrastructure-components.yaml" <<YAML
apiVersion: v1
kind: Namespace
metadata: {name: finding-system}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: manager, namespace: finding-system}
spec:
  selector: {matchLabels: {app: manager}}
  template:
    metadata: {labels: {app: manager}}
    spec:
      containers: [{name: manager, image: "$image"}]
YAML
  echo "$image:"
  ./clusterctl generate provider --infrastructure finding --config config.yaml >out.txt 2>&1 || true
  grep -oE 'repository name must be canonical|image: .*' out.txt
done | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
manager:v1.0.0:
repository name must be canonical
docker.io/library/manager:v1.0.0:
image: docker.io/library/manager:v1.0.0
TEXT
echo 'as described: clusterctl takes no image without its registry'
