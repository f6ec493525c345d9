#!/usr/bin/env bash
# What `make lint` runs: formatting, clippy, the dependency rules of deny.toml, and shellcheck on the scripts.
#
# cargo-deny and shellcheck are put into the cache of the tools when they are missing (CUTWATER_TOOLS, see build.sh); the
# first time, cargo-deny takes some minutes to build. Nothing in the checkout is changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

DENY=0.20.2
cache=${CUTWATER_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/cutwater/tools}
say() { printf 'lint: %s\n' "$*" >&2; }

# Files that begin with `# Sourced by` are checked where they are sourced: alone, they lack their variables.
shell_scripts() { git ls-files --cached --others --exclude-standard -- '*.sh' .ci/run | xargs grep -L '^# Sourced by'; }

cargo_deny() {
  local root=$cache/cargo-deny-$DENY
  if [[ ! -x $root/bin/cargo-deny ]]; then
    mkdir -p "$cache"
    exec 9>"$cache/cargo-deny.lock"
    flock 9
    if [[ ! -x $root/bin/cargo-deny ]]; then
      say "building cargo-deny $DENY into $root (some minutes, once)"
      cargo install --quiet --locked --root "$root" --target-dir "$cache/cargo-deny.build" cargo-deny --version "$DENY"
      rm -rf "$cache/cargo-deny.build"
    fi
    exec 9>&-
  fi
  "$root/bin/cargo-deny" "$@"
}

advisories() {
  local log
  log=$(mktemp)
  if cargo_deny --log-level warn fetch db >"$log" 2>&1; then
    cargo_deny check --hide-inclusion-graph advisories
  else
    say "NOT CHECKED: security advisories, because their database cannot be reached from here:"
    grep -v "^[[:space:]]*$" "$log" | tail -n 1 >&2
  fi
  rm -f "$log"
}

shellcheck_path() {
  local tree=$cache/shellcheck
  if command -v shellcheck; then return; fi
  if [[ ! -x $tree/bin/shellcheck ]]; then
    python3 -m pip install --quiet --root-user-action=ignore --disable-pip-version-check --no-deps --require-hashes --upgrade --target "$tree" \
      -r tests/tools/shellcheck/requirements.txt >&2 || return 1
  fi
  echo "$tree/bin/shellcheck"
}

say "cargo fmt"
cargo fmt --all --check
say "cargo clippy"
cargo clippy --locked --all-targets -- -D warnings
say "cargo deny"
cargo_deny --log-level error check --hide-inclusion-graph bans licenses sources
advisories
say "shellcheck"
if program=$(shellcheck_path); then
  mapfile -t scripts < <(shell_scripts)
  "$program" --external-sources --check-sourced "${scripts[@]}"
else
  say "NOT CHECKED: scripts, because shellcheck is neither here nor to be had by pip (apt-get install shellcheck)"
fi
say "all is well"
