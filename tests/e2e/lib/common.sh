# Sourced by cluster.sh: where a cluster is, and how to start, await and ask its parts.
# shellcheck shell=bash

# Several clusters may live side by side, each under a name of its own.
name=${CUTWATER_CLUSTER:-cutwater}
[[ $name =~ ^[a-z0-9-]{1,24}$ ]] || { echo "cluster: CUTWATER_CLUSTER must be 1 to 24 of a-z, 0-9 and -" >&2; exit 2; }
run=${CUTWATER_CLUSTERS:-${XDG_CACHE_HOME:-$HOME/.cache}/cutwater/clusters}/$name
netns=cutwater-$name
cgroup=cutwater-$name
address=10.99.0.1
gateway_port=18080
contour_port=18081

say() { printf 'cluster %s: %s\n' "$name" "$*" >&2; }
fail() { say "$*"; exit 1; }

# The first process of the cluster's process namespace, by its id outside.
init() { cat "$run/init.pid" 2>/dev/null; }
alive() { ours "$(init)"; }
# Ids are used again: only a process that has our directory in its command line is ours.
ours() { [[ -n $1 ]] && tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF "init.sh $run "; }

# In the network of the cluster alone; the files are those of the machine.
inside() { nsenter --net="/run/netns/$netns" -- "$@"; }
# In all its namespaces.
within() { nsenter --target "$(init)" --net --pid --mount --wd="$run" -- "$@"; }

k() { inside "$tools/kubectl" --kubeconfig "$run/admin.kubeconfig" "$@"; }

# start NAME COMMAND...: a process of the cluster; its log is NAME.log.
start() {
  local program=$1
  shift
  (PATH=$tools:$PATH exec nsenter --target "$(init)" --net --pid --mount --wd="$run" -- setsid "$@" \
    >>"$run/$program.log" 2>&1 </dev/null) &
  echo $! >"$run/$program.pid"
}

# await WHAT SECONDS PROCESS COMMAND...: asks until COMMAND succeeds; past the deadline, or where PROCESS (the name of its
# log) ended, it shows the end of that log.
await() {
  local what=$1 deadline=$((SECONDS + $2)) process=$3 why=
  shift 3
  until "$@" >"$run/await.$process.out" 2>&1; do
    if [[ -f $run/$process.pid && ! -d /proc/$(<"$run/$process.pid") ]]; then why="$process ended"; fi
    if ((SECONDS >= deadline)); then why="the time is up"; fi
    if [[ -n $why ]]; then
      say "waited for $what, but $why. The last answer, and the end of $run/$process.log:"
      tail -n 5 "$run/await.$process.out" >&2
      tail -n 20 "$run/$process.log" >&2 || true
      exit 1
    fi
    sleep 0.1
  done
}
