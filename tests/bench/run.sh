#!/usr/bin/env bash
# The figures of docs/benchmarks.md: on a control plane of its own, then a release with real pods, then one table.
#
#   tests/bench/run.sh [lab|release|store|serve|plan]...   all of them by default
#
# `release` needs root and is left out, with a word, without it. It takes some twenty minutes; the machine should have
# nothing else to do. Nothing is written to the checkout but below target/.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

parts=("$@")
[[ ${#parts[@]} -gt 0 ]] || parts=(plan store serve lab release)
say() { printf 'bench: %s\n' "$*" >&2; }
root() { [[ $(id -u) -eq 0 ]]; }
wanted() { [[ " ${parts[*]} " == *" $1 "* ]]; }

group="test"
if wanted release; then
  if root; then group=all; else say "NOT MEASURED: the release with real pods, because a node needs root"; fi
fi
if wanted lab || wanted release; then
  CUTWATER_TOOLS_BIN=$(tests/tools/build.sh "$group")
  export CUTWATER_TOOLS_BIN
fi
if wanted serve; then
  CUTWATER_TOOLS_BIN=$(tests/tools/build.sh serve)
  export CUTWATER_TOOLS_BIN
fi
say "building (a release build: some minutes the first time)"
program=$(cargo bench --locked --bench bench --no-run --message-format=json |
  python3 -c 'import json, sys; print([m["executable"] for m in map(json.loads, sys.stdin) if m.get("executable") and m["target"]["name"] == "bench"][-1])')

rows=$(mktemp)
export CUTWATER_BENCH_ROWS=$rows
export CUTWATER_CLUSTER=bench-$$
clustered=false
finish() {
  local status=$?
  trap - EXIT INT TERM HUP
  if $clustered; then tests/e2e/cluster.sh down; fi
  if [[ -s $rows ]]; then
    "$program" table "$rows"
    echo
    echo "$(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r), $(date -u +%F), load $(cut -d ' ' -f 1-3 /proc/loadavg)"
  fi
  rm -f "$rows"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if wanted plan; then "$program" plan; fi
if wanted store; then "$program" store; fi
if wanted serve; then "$program" serve; fi
if wanted lab; then "$program" lab; fi
if wanted release && root; then
  clustered=true
  tests/e2e/cluster.sh up
  tests/e2e/cluster.sh gateway
  variables=$(tests/e2e/cluster.sh env)
  eval "$variables"
  tests/e2e/cluster.sh sh "$program" release
fi
