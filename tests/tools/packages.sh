# Sourced by build.sh: what the node of `make e2e` needs from the system, and how to get it.
# shellcheck shell=bash

# program or file -> Debian package
node_needs=(
  runc=runc
  /usr/lib/cni/bridge=containernetworking-plugins
  ip=iproute2
  nsenter=util-linux
  unshare=util-linux
  setpriv=util-linux
  openssl=openssl
  curl=curl
  git=git
  python3=python3
)

# The packages whose program is not there, one per line.
missing_node_packages() {
  local pair need
  for pair in "${node_needs[@]}"; do
    need=${pair%%=*}
    if [[ $need == /* ]]; then [[ -x $need ]]; else command -v "$need" >/dev/null || [[ -x /usr/sbin/$need || -x /sbin/$need ]]; fi || echo "${pair#*=}"
  done | sort -u
  if command -v python3 >/dev/null && ! python3 -m pip --version >/dev/null 2>&1; then echo python3-pip; fi
}

need_node_packages() {
  local packages
  mapfile -t packages < <(missing_node_packages)
  [[ ${#packages[@]} -eq 0 ]] && return
  if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
    echo "tools: the end-to-end tests need these Debian packages; installing: ${packages[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    if ! { apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null; }; then
      echo "tools: apt-get could not install ${packages[*]}" >&2
      exit 1
    fi
  else
    echo "tools: the end-to-end tests need these programs, by their Debian packages: ${packages[*]}" >&2
    echo "tools: install them as root (apt-get install ${packages[*]}), then run this again" >&2
    exit 1
  fi
}
