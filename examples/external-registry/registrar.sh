#!/usr/bin/env bash
# Tells a load balancer outside of Kubernetes about the pods of CloneSets that have the hooks of ../hooks.yaml.
# usage: registrar.sh NAMESPACE SELECTOR
#
# A pod has the finalizer below from when the load balancer knows it until the load balancer has let go of it. Pods are
# dealt with one after the other, in the order in which their changes come. Everything may be done twice, so that it may be
# stopped and started again at any time; while it does not run, pods wait.
#
# What knows the load balancer is balancer.sh, beside this file: put your own in its place.
set -euo pipefail

namespace=$1 selector=$2
hook=example.com/registered

source "$(dirname "$0")/balancer.sh" # has register ADDRESS, and deregister ADDRESS

# follow prints a line for each pod that there is, and then one for each change of a pod. A word that may be missing has
# a dash before it.
follow() {
	exec kubectl get pods --namespace "$namespace" --selector "apps.insitu.dev/managed=true,$selector" --watch \
		--output go-template='
			{{- .metadata.name}} {{.metadata.uid}} {{or .status.podIP "none"}}
			{{- " -"}}{{with index .metadata.labels "apps.insitu.dev/lifecycle-state"}}{{.}}{{end}}
			{{- " -"}}{{range .status.conditions}}{{if eq .type "Ready"}}{{if eq .status "True"}}ready{{end}}{{end}}{{end}}
			{{- " -"}}{{range .metadata.finalizers}}{{if eq . "'$hook'"}}known{{end}}{{end}}
			{{- " -"}}{{if or .metadata.deletionTimestamp (eq .status.phase "Failed" "Succeeded")}}ends{{end}}
			{{- "\n"}}'
}

# settle does what a pod waits for. A pod that ends is let go of, whoever ends it.
settle() {
	local name=$1 uid=$2 address=$3 state=$4 ready=$5 known=$6 ends=$7
	case $state$ends in
	-PreparingUpdate* | -PreparingDelete* | *-ends)
		if [[ $known == -known ]]; then
			echo "$name ($address) is to go out: ${state#-}"
			deregister "$address" && patch "$name" "$uid" "\"\$deleteFromPrimitiveList/finalizers\":[\"$hook\"]"
		fi
		;;
	-Updating*) ;; # It is out.
	*)
		if [[ $ready$known == -ready- ]]; then
			echo "$name ($address) is to go in: ${state#-}"
			# A pod that is deleted in this very moment takes no finalizer any more.
			register "$address" && { patch "$name" "$uid" "\"finalizers\":[\"$hook\"]" || { deregister "$address" && false; }; }
		fi
		;;
	esac
}

# patch changes the metadata of a pod, but not of a successor that has its name.
patch() {
	kubectl patch pod "$1" --namespace "$namespace" --patch "{\"metadata\":{\"uid\":\"$2\",$3}}"
}

follower=
trap 'kill $follower 2>/dev/null; exit' TERM INT
while true; do
	exec {changes}< <(follow)
	follower=$!
	while read -r -u "$changes" name uid address state ready known ends; do
		settle "$name" "$uid" "$address" "$state" "$ready" "$known" "$ends" || break
	done
	kill $follower 2>/dev/null || true
	exec {changes}<&-
	sleep 1 # Something has failed, or the watch has ended, as watches do: all pods are looked at again.
done
