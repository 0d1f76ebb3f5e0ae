#!/usr/bin/env bash
# Runs one tier of tests in a cluster of its own, which it takes down in the end, however that comes.
# usage: hack/tier.sh TIER NODE COMMAND...
# COMMAND finds the cluster's name in INSITU_TEST_CLUSTER and its kubeconfig in INSITU_TEST_KUBECONFIG. With the NODE
# "real", the tier is left out where no real node can run. How the tier ended is told in .bin/tiers/TIER. KUBE_VERSION in
# the environment names another Kubernetes than the default.
set -euo pipefail
cd "$(dirname "$0")/.."

tier=$1 node=$2
shift 2
state=.cluster/$tier
mkdir -p .bin/tiers
report=.bin/tiers/$tier
version=${KUBE_VERSION:+--kube-version=$KUBE_VERSION}

export INSITU_TEST_CLUSTER=$tier
export INSITU_TEST_KUBECONFIG=$PWD/$state/kubeconfig

finish() {
	local status=$?
	if ((status != 0)); then keep_logs; fi
	.bin/cluster down --name "$tier" || status=1
	cat "$report"
	exit "$status"
}

# keep_logs copies what tells about a failure out of the state of the cluster, whose end removes it.
keep_logs() {
	local kept=.cluster/failed/$tier
	rm -rf "$kept" && mkdir -p "$kept"
	cp -r "$state/logs" "$state/audit.log" "$kept/" || true
	echo "$tier: failed; the logs of its cluster are in $kept" >"$report"
}

echo "$tier: stopped" >"$report"
trap finish EXIT
trap 'exit 130' INT TERM

if [[ $node == real ]]; then
	.bin/cluster up --name "$tier" --node auto ${version:+"$version"} >/dev/null
	if [[ $(<"$state/node-mode") != real ]]; then
		echo "$tier: not run, since it needs a real node: $(.bin/cluster doctor | paste -sd ' ')" >"$report"
		exit 0
	fi
else
	.bin/cluster up --name "$tier" --node "$node" ${version:+"$version"} >/dev/null
fi

started=$SECONDS
"$@"
echo "$tier: passed in $((SECONDS - started)) s${KUBE_VERSION:+ with Kubernetes $KUBE_VERSION}" >"$report"
