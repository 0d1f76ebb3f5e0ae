#!/usr/bin/env bash
# The checks of "make verify" that come after code generation and lint.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
	printf '%s\n' "$@" >&2
	exit 1
}

# Generated code is current, and none of it is missing from the repository.
generated=('apis/**/zz_generated*' charts/insitu/files)
changed=$(git status --porcelain -- "${generated[@]}")
if [[ -n $changed ]]; then
	git --no-pager diff -- "${generated[@]}"
	fail 'Generated code is not current; run "make generate" and commit:' "$changed"
fi

# No file of Go is longer than 500 lines, generated ones apart.
long=$(git ls-files '*.go' ':!*zz_generated*' | xargs wc -l | awk '$2 != "total" && $1 > 500')
if [[ -n $long ]]; then
	fail 'Longer than 500 lines:' "$long"
fi

# Each module asks for what it imports, and for nothing else.
for module in . hack/crd hack/cluster; do
	(cd "$module" && go mod tidy -diff) || fail "Run \"go mod tidy\" in $module."
done

# The chart; whether the API server takes what it renders is a matter of the integration tests.
.bin/tools/helm lint --strict --quiet --kube-version v1.36.0 --set image.repository=registry.example/insitu charts/insitu

# Known vulnerabilities, where the database can be reached. The exit code 3 tells that there are some.
if report=$(.bin/tools/govulncheck ./... 2>&1); then
	echo 'govulncheck: no known vulnerability'
elif (($? != 3)) && grep -q 'fetching vulnerabilities' <<<"$report"; then
	echo 'govulncheck: skipped, its database cannot be reached'
else
	fail "$report"
fi
