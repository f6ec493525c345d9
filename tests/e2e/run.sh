#!/usr/bin/env bash
# The end-to-end tests: a cluster, the tests inside its network, and the end of the cluster, however they went.
#
#   tests/e2e/run.sh [--keep] [FILTER]      FILTER: only the tests whose name contains it
#
# --keep leaves the cluster for a look and says how to enter it. The cluster has a name of its own per run, so two runs
# at once do not meet. See cluster.sh for what it makes outside, and removes. It needs root.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

keep=false
filter=()
for word in "$@"; do
  case $word in
    --keep) keep=true ;;
    -*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    *) filter+=("$word") ;;
  esac
done
say() { printf 'e2e: %s\n' "$*" >&2; }
[[ $(id -u) -eq 0 ]] || { say "a node needs root: run this as root (sudo make e2e)"; exit 1; }

CUTWATER_TOOLS_BIN=$(tests/tools/build.sh e2e)
export CUTWATER_TOOLS_BIN
say "building cutwater and its tests"
# Inside the cluster's network there is no registry: everything is built before.
cargo test --locked --test e2e --no-run

export CUTWATER_CLUSTER=e2e-$$
finish() {
  local status=$?
  trap - EXIT INT TERM HUP
  if $keep; then
    say "the cluster is left running; CUTWATER_CLUSTER=$CUTWATER_CLUSTER tests/e2e/cluster.sh sh bash    enters it"
    say "CUTWATER_CLUSTER=$CUTWATER_CLUSTER tests/e2e/cluster.sh down    ends it"
  else
    local logs=target/e2e-logs
    rm -rf "$logs"
    if [[ $status -ne 0 ]]; then
      say "failed; the logs of the cluster are kept in $logs"
      KEEP_LOGS=$PWD/$logs "$here/cluster.sh" down
    else
      "$here/cluster.sh" down
    fi
  fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

started=$SECONDS
"$here/cluster.sh" up
"$here/cluster.sh" gateway
"$here/cluster.sh" contour
say "the cluster is up ($((SECONDS - started)) s)"
variables=$("$here/cluster.sh" env)
eval "$variables"
"$here/cluster.sh" sh cargo test --locked --offline --test e2e -- --test-threads=1 --show-output "${filter[@]}"
