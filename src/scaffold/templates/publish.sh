#!/bin/sh
# Publishes the apps that differ from the commit in BASE; all of them where BASE is empty or not there. One that fails
# does not keep the others from it. An app whose content is published already is `unchanged`, so running this twice does
# no harm. Arguments go to `cutwater versions publish`.
#
# Needs cutwater, or cargo and the variables CUTWATER_GIT (address of Cutwater's repository) and CUTWATER_REV (the commit
# of it to build): nothing of Cutwater is released yet that could be downloaded.
set -eu
cd "$(git rev-parse --show-toplevel)"

if ! command -v cutwater >/dev/null; then
  : "${CUTWATER_GIT:?set this variable of the pipeline to the address of the repository of Cutwater}"
  : "${CUTWATER_REV:?set this variable of the pipeline to the commit of Cutwater to build}"
  cargo install --locked --git "$CUTWATER_GIT" --rev "$CUTWATER_REV" cutwater
  PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
fi

# A version has an author: here, that of the commit that it is made from.
GIT_AUTHOR_NAME=$(git log -1 --format=%an)
GIT_AUTHOR_EMAIL=$(git log -1 --format=%ae)
GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME
GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
export PATH GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL

if ! git rev-parse --quiet --verify "${BASE:-}^{commit}" >/dev/null 2>&1; then
  # From a commit with nothing in it, each app of the folder that cutwater.yaml names differs.
  BASE=$(git commit-tree -m "Nothing" "$(git hash-object -w -t tree /dev/null)")
fi
exec cutwater versions publish --changed "$BASE" "$@"
