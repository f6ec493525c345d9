#!/usr/bin/env bash
# What `make fuzz` runs: run.sh [SECONDS [TARGET...]], all targets side by side, each for so long (60 s where absent).
#
# libFuzzer comes with the crate libfuzzer-sys and is built by this machine's C++ compiler; the coverage that guides it
# comes from flags of the project's own compiler. What is learnt is kept in target/fuzz/corpus for the next run, and what
# is found in target/fuzz/found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-60}
shift || true
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || targets=(repository app_yaml words)
say() { printf 'fuzz: %s\n' "$*" >&2; }

command -v c++ >/dev/null || {
  say "a C++ compiler is needed to build libFuzzer (apt-get install g++)"
  exit 1
}
host=$(rustc -vV | sed -n 's/^host: //p')
# The versions that the project itself is built with; cargo adds what libFuzzer needs.
cp Cargo.lock fuzz/Cargo.lock
flags="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
flags+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
flags+=" -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0"
say "building (some minutes the first time)"
# With --target the flags are not for build scripts and macros.
RUSTFLAGS=$flags cargo build --quiet --release --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --target "$host"

scratch=$(mktemp -d -p /dev/shm cutwater-fuzz-XXXXXX 2>/dev/null || mktemp -d)
pids=()
finish() {
  ((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true
  rm -rf "$scratch"
}
trap finish EXIT

for target in "${targets[@]}"; do
  mkdir -p "target/fuzz/corpus/$target" "target/fuzz/found/$target" "$scratch/$target"
  # An input may take 25 s and 2 GB, on a machine with other things to do.
  TMPDIR=$scratch/$target "target/fuzz/$host/release/$target" \
    -max_total_time="$seconds" -timeout=25 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 \
    -artifact_prefix="target/fuzz/found/$target/" "target/fuzz/corpus/$target" "tests/fuzz/corpus/$target" \
    >"target/fuzz/$target.log" 2>&1 </dev/null &
  pids+=($!)
done
say "running ${targets[*]} for $seconds s each; logs are target/fuzz/*.log"

failed=0
for index in "${!targets[@]}"; do
  target=${targets[index]}
  log=target/fuzz/$target.log
  if wait "${pids[index]}"; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    say "$target: no finding in $runs runs, $(grep -o 'cov: [0-9]*' "$log" | tail -n 1)"
  else
    failed=1
    say "$target: a finding"
    grep -E 'panicked at|ERROR: libFuzzer|^artifact_prefix' -A 2 "$log" >&2 || tail -n 20 "$log" >&2
    say "again: target/fuzz/$host/release/$target FILE; when mended, keep it in tests/fuzz/corpus/$target"
  fi
done
pids=()
((failed == 0))
