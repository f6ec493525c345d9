# Sourced by build.sh: what the tests need from the system, and how to get it.
# shellcheck shell=bash

# program or file -> Debian package: what `make test` puts before a git repository,
test_needs=(
  curl=curl
  git=git
  curl=curl
  python3=python3
  openssl=openssl
  setpriv=util-linux
  ssh=openssh-client
  sshd=openssh-server
  lighttpd=lighttpd
  /usr/lib/lighttpd/mod_openssl.so=lighttpd-mod-openssl
  tinyproxy=tinyproxy-bin
  curl=curl
  nghttp=nghttp2-client
  h2load=nghttp2-client
  prlimit=util-linux
  python3=python3
)
# what `make bench PARTS=serve` needs beside Envoy,
serve_needs=(
  git=git
  curl=curl
  setpriv=util-linux
  nginx=nginx-light
  h2load=nghttp2-client
)
# and what the node of `make e2e` needs.
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

# The packages whose program is not there, one per line: of these pairs.
missing_packages() {
  local pair need
  for pair in "$@"; do
    need=${pair%%=*}
    if [[ $need == /* ]]; then [[ -e $need ]]; else command -v "$need" >/dev/null || [[ -x /usr/sbin/$need || -x /sbin/$need ]]; fi || echo "${pair#*=}"
  done | sort -u
}

# Installs packages for a kind of tests where that is possible, and else ends with how to get them.
get_packages() { # kind of tests, packages
  local kind=$1
  shift
  [[ $# -eq 0 ]] && return
  if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
    echo "tools: the $kind tests need these Debian packages; installing: $*" >&2
    export DEBIAN_FRONTEND=noninteractive
    if ! { apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }; then
      echo "tools: apt-get could not install $*" >&2
      exit 1
    fi
  else
    echo "tools: the $kind tests need these programs, by their Debian packages: $*" >&2
    echo "tools: install them as root (apt-get install $*), then run this again" >&2
    exit 1
  fi
}

# The same where servers are among them. Debian starts a server that it installs: where that would last, a person decides.
get_servers() { # kind of tests, their services, packages
  local kind=$1 services=$2
  shift 2
  if [[ $# -gt 0 && -d /run/systemd/system ]]; then
    echo "tools: the $kind tests need these Debian packages: $*" >&2
    echo "tools: install them (apt-get install $*), then run this again; the tests need no service of theirs:" >&2
    echo "tools: systemctl disable --now $services, where you do not want them" >&2
    exit 1
  fi
  get_packages "$kind" "$@"
}

need_test_packages() {
  local packages
  mapfile -t packages < <(missing_packages "${test_needs[@]}")
  get_servers "git server" "ssh lighttpd" "${packages[@]}"
}

need_serve_packages() {
  local packages
  mapfile -t packages < <(missing_packages "${serve_needs[@]}")
  get_servers "proxy" "nginx" "${packages[@]}"
}

need_node_packages() {
  local packages
  mapfile -t packages < <(missing_packages "${node_needs[@]}")
  if command -v python3 >/dev/null && ! python3 -m pip --version >/dev/null 2>&1; then packages+=(python3-pip); fi
  get_packages "end-to-end" "${packages[@]}"
}
