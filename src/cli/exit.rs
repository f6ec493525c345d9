//! Exit codes, for scripts: they never change their meaning.

/// Done; also when there was nothing to do.
pub const OK: u8 = 0;
/// Refused or failed; stderr says why.
pub const FAILED: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// `plan --exit-code`: the merge changes something, and nothing of it is wrong.
pub const CHANGES: u8 = 3;
/// Ctrl-C or SIGTERM stopped a push, or `--wait` behind one; stderr says what had arrived.
pub const INTERRUPTED: u8 = 130;

/// What `--help` says about them.
pub(super) const HELP: &str = "\
Exit codes:
  0  done, also when there was nothing to do
  1  refused or failed; stderr says why
  2  the command line is wrong
  3  plan --exit-code: the merge changes something
130  Ctrl-C or SIGTERM stopped a push, or --wait behind one; stderr says whether it had arrived";
