#!/usr/bin/env bash
# Builds the manager's image, pushes it to the registry of a local cluster and installs it there with Helm.
# usage: hack/install.sh CLUSTER
set -euo pipefail
cd "$(dirname "$0")/.."

cluster=$1
state=.cluster/$cluster
image=127.0.0.1:5000/insitu # as the cluster's node sees it
replicas=2

if [[ $(<"$state/node-mode") == real ]]; then
	KO_DOCKER_REPO=$image .bin/tools/ko build --bare --push=false --sbom=none --tarball=.bin/insitu.tar .
	tag=$(sha256sum .bin/insitu.tar | cut -c1-12)
	.bin/cluster push --name "$cluster" "$image:$tag" .bin/insitu.tar
else
	echo 'There is no real node to run the manager: only what it needs in the cluster is installed. Run it from here:'
	echo "  KUBECONFIG=$state/kubeconfig go run . --leader-elect=false"
	tag=none
	replicas=0
fi

.bin/tools/helm upgrade --install insitu charts/insitu \
	--kubeconfig "$state/kubeconfig" --namespace insitu-system --create-namespace \
	--set image.repository="$image" --set image.tag="$tag" --set replicas="$replicas" \
	--wait --timeout 3m
