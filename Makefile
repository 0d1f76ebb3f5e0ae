# Everything that make needs beside Go and git is built on first use, into .bin/.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help

CLUSTER ?= dev # name of the local cluster that cluster-up, cluster-down and install work on
LINTFLAGS ?= # --fix repairs what can be repaired by itself
KUBE_VERSION ?= # Kubernetes of the local clusters: v1.33.13, v1.34.4, v1.35.4; left out, the newest that is pinned
NODE ?= auto # a real node where this machine can run one (auto, real), or none
PODS ?= 500 1000 5000 # the rollouts that bench measures
CHAOS_PODS ?= 1000 # how many pods chaos rolls out
TESTFLAGS ?= # of go test, for the tests in a cluster: -v, -run Sidecar

cluster := $(strip $(CLUSTER))
state := .cluster/$(cluster)
bin := $(CURDIR)/.bin
tools := $(bin)/tools
kube_version := $(strip $(KUBE_VERSION))
modules := hack/crd hack/cluster
race := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)
crd := charts/insitu/files/crds/apps.insitu.dev_clonesets.yaml

##@ Try it

.PHONY: demo
demo: cluster-up install ## Show an in-place rollout under load on a local cluster, beside that of a Deployment
	KUBECONFIG=$(CURDIR)/$(state)/kubeconfig go run ./hack/demo -cluster $(cluster)
	@echo 'The cluster is still up; "make cluster-down" takes it down.'

.PHONY: cluster-up
cluster-up: $(bin)/cluster ## Start a local Kubernetes; its programs are built the first time
	$(bin)/cluster up --name $(cluster) --node $(strip $(NODE)) $(kube_version:%=--kube-version %)

.PHONY: cluster-down
cluster-down: $(bin)/cluster ## Stop the local Kubernetes and remove all it left
	$(bin)/cluster down --name $(cluster)

.PHONY: install
install: image $(bin)/cluster $(tools)/helm ## Install the manager in the local cluster, by Helm
	hack/install.sh $(cluster) $(bin)/insitu.tar

##@ Develop

.PHONY: build
build: ## Build the manager into .bin/insitu
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o $(bin)/insitu .

.PHONY: image
image: ## Build the manager's container image into .bin/insitu.tar
	@mkdir -p $(bin)/linux
	CGO_ENABLED=0 GOOS=linux go build -trimpath -ldflags='-s -w' -o $(bin)/linux/insitu .
	go run ./hack/image -program $(bin)/linux/insitu -reference insitu:dev -output $(bin)/insitu.tar

.PHONY: test
test: ## Run every tier of tests that this machine can run
	@rm -rf .bin/tiers; failed=; \
		for tier in unit integration chaos e2e; do $(MAKE) --no-print-directory test-$$tier || failed+=" $$tier"; done; \
		echo; cat .bin/tiers/*; [[ -z $$failed ]] || { echo "test: failed in$$failed" >&2; exit 1; }

.PHONY: test-unit
test-unit: ## Run the unit tests
	@mkdir -p .bin/tiers; echo 'unit: failed' > .bin/tiers/unit
	go test $(race) $$(go list ./... | grep -v -E '/test/(integration|e2e|scale|chaos|simulation)')
	go test $(race) ./test/simulation -run Rollouts
	go test -count=1 -v ./test/simulation -rapid.checks=20000 # Without the race detector, which costs ten times as much.
	$(foreach module,$(modules),go test -C $(module) ./... &&) true
	@echo 'unit: passed' > .bin/tiers/unit

.PHONY: test-integration
test-integration: $(bin)/cluster $(tools)/helm ## Run the tests on a real API server, with model kubelets
	KUBE_VERSION=$(kube_version) hack/tier.sh integration none \
		go test -count=1 -timeout=15m $(strip $(TESTFLAGS)) ./test/integration/...

.PHONY: test-chaos
test-chaos: ## Roll out pods on simulated nodes under chaos, fewer than chaos does
	@$(MAKE) --no-print-directory chaos CHAOS_PODS=200

.PHONY: test-e2e
test-e2e: $(bin)/cluster $(tools)/helm ## Run the tests on a real node
	KUBE_VERSION=$(kube_version) hack/tier.sh e2e real $(MAKE) --no-print-directory e2e-in-cluster CLUSTER=e2e

.PHONY: e2e-in-cluster
e2e-in-cluster: install
	go test -count=1 -timeout=40m $(strip $(TESTFLAGS)) ./test/e2e/...

VERSIONS ?= v1.33.13 v1.34.4 v1.35.4 v1.36.3 # what test-versions runs on

.PHONY: test-versions
test-versions: ## Run end-to-end tests on one Kubernetes after the other, and show how each of them went
	TESTFLAGS="$(strip $(TESTFLAGS))" hack/versions.sh $(strip $(VERSIONS))

SCENARIOS ?= 20000 # how many rollouts soak simulates

.PHONY: soak
soak: ## Try random plans and rollouts, other ones every time
	go test -count=1 -timeout=0 ./pkg/controller/cloneset/{plan,observe} -rapid.checks=$(strip $(SCENARIOS)) -rapid.seed=0
	go test -count=1 -timeout=0 -v ./test/simulation -run Rollouts -rapid.checks=$(strip $(SCENARIOS)) -rapid.seed=0

.PHONY: chaos
chaos: $(bin)/cluster ## Roll out pods while the manager is killed again and again and its calls fail
	INSITU_CHAOS_PODS=$(strip $(CHAOS_PODS)) hack/tier.sh chaos none go test -count=1 -timeout=30m -v ./test/chaos/...

.PHONY: bench
bench: $(bin)/cluster ## Measure rollouts of many simulated pods
	INSITU_BENCH_PODS='$(PODS)' hack/tier.sh bench none go test -count=1 -timeout=60m -v ./test/scale/...

.PHONY: generate
generate: $(tools)/controller-gen ## Regenerate the deep copies and the CustomResourceDefinition
	$(tools)/controller-gen object paths=./apis/...
	$(tools)/controller-gen crd:generateEmbeddedObjectMeta=true paths=./apis/... output:crd:stdout \
		| go run -C hack/crd . > $(bin)/crd.yaml
	mv $(bin)/crd.yaml $(crd)

.PHONY: lint
lint: $(tools)/golangci-lint ## Lint every module
	@failed=; for module in . $(modules); do (cd $$module && $< run $(LINTFLAGS) ./...) || failed+=" $$module"; done; \
		[[ -z $$failed ]] || { echo "lint: failed in$$failed" >&2; exit 1; }

.PHONY: verify
verify: generate lint $(tools)/helm $(tools)/govulncheck ## Check generated code, style, the chart and known vulnerabilities
	hack/verify.sh

##@ Help

.PHONY: help
help: ## Show the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Each tool is a module of its own, so that none decides on another's dependencies.
$(tools)/%: hack/tools/%/go.mod hack/tools/%/go.sum
	@echo "building $* (once)"
	go build -C hack/tools/$* -o $@ tool

.PHONY: $(bin)/cluster
$(bin)/cluster:
	@go build -C hack/cluster -o $@ .
