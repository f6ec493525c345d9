#!/usr/bin/env bash
# The first process of a cluster's mount and process namespaces: builds its file system, then reaps orphans until killed.
#
# The cluster sees the machine's files, but a /run and a /var of its own, and /certs, where Envoy Gateway insists on
# reading its keys. Nothing of this is seen, or left, outside.
set -euo pipefail
run=$1
tools=$2
root=$run/root

mkdir -p "$root"
mount -t tmpfs -o mode=755 cutwater "$root"
for path in /*; do
  here=$root$path
  case $path in
    /run | /var | /certs | /proc) ;;
    *)
      if [[ -L $path ]]; then
        cp -P "$path" "$here"
      elif [[ -d $path ]]; then
        mkdir "$here"
        mount --rbind "$path" "$here"
      fi
      ;;
  esac
done
mkdir -p "$root"/{proc,run,old} "$root"/var/{lib,log,tmp,run}
ln -s "$run/envoy-gateway/config/certs/envoy-gateway" "$root/certs"
mount -t proc proc "$root/proc"
# Where the machine keeps its caches under /var or /run, they are needed all the same.
for path in "$run" "$(dirname "$(dirname "$tools")")"; do
  mkdir -p "$root$path"
  case $path in /run/* | /var/*) mount --bind "$path" "$root$path" ;; esac
done

cd "$root"
pivot_root . old
umount --lazy /old
rmdir /old
mount --make-rshared /
touch "$run/init.ready"

# Bash reaps what is orphaned here; the loop only has to go on.
while true; do
  sleep 1000 &
  wait $! || true
done
