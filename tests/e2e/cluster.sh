#!/usr/bin/env bash
# A real Kubernetes node with a real gateway, in namespaces of its own, from which nothing else can be reached.
#
#   cluster.sh up          a node: etcd, Kubernetes, containerd; with the types of the Gateway API and of crds/
#   cluster.sh gateway     Envoy Gateway and Envoy; Gateway `web` in namespace `default`
#   cluster.sh contour     Contour and an Envoy of its own; Gateway `contour` in namespace `default`
#   cluster.sh images      the names, with digests, of the images that pods can run
#   cluster.sh env         the variables that the end-to-end tests read, as shell text
#   cluster.sh sh CMD...   CMD in the cluster's network, with KUBECONFIG set and kubectl on the PATH
#   cluster.sh down        end it and remove it, whatever state it is in; KEEP_LOGS=DIR saves the logs there
#
# CUTWATER_CLUSTER names it (default: cutwater); clusters of different names live side by side. Its files are in
# ${XDG_CACHE_HOME:-~/.cache}/cutwater/clusters/<name>. Outside it makes a network namespace and a cgroup of its own name,
# and no more; `down` removes both. It needs root. The first run builds the programs (tests/tools/build.sh).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib/common.sh
. "$here/lib/common.sh"
# shellcheck source-path=SCRIPTDIR source=lib/namespaces.sh
. "$here/lib/namespaces.sh"
# shellcheck source-path=SCRIPTDIR source=lib/control-plane.sh
. "$here/lib/control-plane.sh"
# shellcheck source-path=SCRIPTDIR source=lib/node.sh
. "$here/lib/node.sh"
# shellcheck source-path=SCRIPTDIR source=lib/gateway.sh
. "$here/lib/gateway.sh"
# shellcheck source-path=SCRIPTDIR source=lib/contour.sh
. "$here/lib/contour.sh"

find_tools() { tools=${CUTWATER_TOOLS_BIN:-$("$here/../tools/build.sh" e2e)}; }
need_running() { find_tools; alive || fail "it does not run; 'cluster.sh up' starts it"; }

up() {
  find_tools
  make_namespaces
  start_control_plane &
  local control_plane=$!
  # These need no API server, so they use the time that it takes to start.
  build_images
  start_containerd
  import_images
  wait "$control_plane" || exit 1
  start_kubelet
  k get nodes >&2
}

environment() {
  cat <<TEXT
export KUBECONFIG='$run/admin.kubeconfig'
export CUTWATER_E2E_KUBECONFIG_CONTROLLER='$run/cutwater.kubeconfig'
export CUTWATER_E2E_GATEWAY='$address:$gateway_port'
export CUTWATER_E2E_CONTOUR='$address:$contour_port'
export CUTWATER_E2E_IMAGE='$(grep /app@ "$run/images/list")'
export CUTWATER_E2E_AUDIT_LOG='$run/audit.log'
export CUTWATER_E2E_LOGS='$run'
export CUTWATER_TOOLS_BIN='$tools'
TEXT
}

down() {
  if [[ -n ${KEEP_LOGS:-} && -d $run ]]; then
    mkdir -p "$KEEP_LOGS"
    cp -R "$run"/*.log "$run"/pods "$KEEP_LOGS" 2>/dev/null || true
  fi
  remove_namespaces
  rm -rf "$run"
}

case ${1:-} in
  up) up ;;
  gateway) need_running; start_gateway ;;
  contour) need_running; start_contour ;;
  images) cat "$run/images/list" ;;
  env) need_running; environment ;;
  sh) shift; need_running; KUBECONFIG=$run/admin.kubeconfig PATH=$tools:$PATH inside "$@" ;;
  down) down ;;
  *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
