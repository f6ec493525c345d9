# Sourced by cluster.sh: the box that a cluster lives in, and its end.
#
# A named network namespace (tests enter it), and a mount and a process namespace whose first process, init.sh, is the
# only thing to kill: with it go all processes, pods and mounts. A cgroup of its own keeps two kubelets apart.
# shellcheck shell=bash

make_namespaces() {
  [[ $(id -u) -eq 0 ]] || fail "a node needs root: network and mount namespaces, cgroups"
  alive && fail "it runs already; 'cluster.sh down' ends it"
  remove_namespaces
  mkdir -p "$run"
  chmod 755 "$run"
  ip netns add "$netns"
  ip -n "$netns" link set lo up
  ip -n "$netns" address add "$address/32" dev lo
  inside sysctl -qw net.ipv4.ip_forward=1
  make_cgroup
  # --kill-child: where `unshare` is killed, its child goes with it.
  (exec nsenter --net="/run/netns/$netns" -- setsid unshare --mount --pid --fork --kill-child=KILL \
    bash "$here/lib/init.sh" "$run" "$tools" >"$run/init.log" 2>&1 </dev/null) &
  local outer=$!
  echo "$outer" >"$run/unshare.pid"
  await "the namespaces" 10 init first_child "$outer"
  cp "$run/await.init.out" "$run/init.pid"
  await "the file system of the cluster" 10 init test -e "$run/init.ready"
}

first_child() {
  # unshare's one child is the first process of the new namespace.
  local child
  # The file has no line end, which `read` calls a failure.
  read -r child _ <"/proc/$1/task/$1/children" || [[ -n $child ]] && echo "$child"
}

cgroup_roots() {
  if [[ -f /sys/fs/cgroup/cgroup.controllers ]]; then
    echo /sys/fs/cgroup
  else
    find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d
  fi
}

make_cgroup() {
  local root
  for root in $(cgroup_roots); do mkdir -p "$root/$cgroup"; done
}

remove_namespaces() {
  local pid root
  for pid in $(init) $(cat "$run/unshare.pid" 2>/dev/null); do
    if ours "$pid"; then
      kill -KILL "$pid" 2>/dev/null || true
      local deadline=$((SECONDS + 20))
      while [[ -d /proc/$pid ]] && ((SECONDS < deadline)); do sleep 0.05; done
    fi
  done
  for root in $(cgroup_roots); do
    [[ -d $root/$cgroup ]] || continue
    remove_cgroup "$root/$cgroup" || say "left behind: $root/$cgroup still has processes in it"
  done
  if [[ -e /run/netns/$netns ]]; then ip netns delete "$netns"; fi
}

remove_cgroup() {
  # A killed process leaves its group a moment after its end.
  local deadline=$((SECONDS + 10))
  until find "$1" -depth -type d -exec rmdir {} + 2>/dev/null || [[ ! -d $1 ]]; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}
