#!/usr/bin/env bash
# Runs end-to-end tests on one version of Kubernetes after the other, each in a cluster of its own, and prints a table in
# Markdown of how each test went. What the tests print is kept in .bin/versions/VERSION.
# usage: TESTFLAGS=FLAGS hack/versions.sh VERSION...
set -euo pipefail
cd "$(dirname "$0")/.."

logs=.bin/versions
mkdir -p "$logs"
failed=
for version; do
	make --no-print-directory test-e2e KUBE_VERSION="$version" TESTFLAGS="-v $TESTFLAGS" >"$logs/$version" 2>&1 || failed+=" $version"
	tail -n 1 "$logs/$version"
done

# A row for each test, with its name in words, and a column for each version.
awk '
	FNR == 1 { version = FILENAME; sub(".*/", "", version); head = head " " version " |"; rule = rule "---|"; versions[++n] = version }
	/^--- (PASS|FAIL|SKIP): Test/ {
		outcome = $2 == "PASS:" ? "passed" : $2 == "FAIL:" ? "failed" : "not run"
		if (!($3 in rows)) { rows[$3]; tests[++m] = $3 }
		went[$3, version] = outcome
	}
	function words(name) {
		sub("^Test", "", name); gsub("[A-Z]", " &", name); name = tolower(substr(name, 2))
		return toupper(substr(name, 1, 1)) substr(name, 2)
	}
	END {
		print "| |" head; print "|---|" rule
		for (i = 1; i <= m; i++) {
			row = "| " words(tests[i]) " |"
			for (j = 1; j <= n; j++) row = row " " ((tests[i], versions[j]) in went ? went[tests[i], versions[j]] : "") " |"
			print row
		}
	}' "${@/#/$logs/}"
[[ -z $failed ]] || { echo "versions: failed on$failed" >&2; exit 1; }
