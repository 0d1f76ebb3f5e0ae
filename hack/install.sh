#!/usr/bin/env bash
# Pushes the manager's image to the registry of a local cluster and installs it there with Helm.
# usage: hack/install.sh CLUSTER IMAGE-TARBALL
set -euo pipefail
cd "$(dirname "$0")/.."

cluster=$1 tarball=$2
state=.cluster/$cluster
image=127.0.0.1:5000/insitu # as the cluster's node sees it

if [[ $(<"$state/node-mode") == real ]]; then
	digest=$(.bin/cluster push --name "$cluster" "$image:dev" "$tarball")
	values=(--set image.repository="$image" --set image.digest="$digest")
else
	echo 'There is no real node to run the manager: the chart is installed without it. Run it from here:'
	echo "  KUBECONFIG=$state/kubeconfig .bin/insitu --leader-elect=false --webhooks=false"
	values=(--set replicas=0 --set webhooks.enabled=false --set image.repository="$image")
fi

.bin/tools/helm upgrade --install insitu charts/insitu \
	--kubeconfig "$state/kubeconfig" --namespace insitu-system --create-namespace \
	"${values[@]}" --wait --timeout 3m
