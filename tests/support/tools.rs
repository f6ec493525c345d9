//! Where the programs of the tests are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The directory that `make test` names, and else the one that `tests/tools/build.sh` prints.
const ENVIRONMENT: &str = "CUTWATER_TOOLS_BIN";

/// The path of one tool: a program such as `kubectl`, or a directory of files such as `gateway-api`.
pub fn tool(name: &str) -> PathBuf {
    let path = directory().join(name);
    assert!(
        path.exists(),
        "{} is missing: run `tests/tools/build.sh {name}`, and unset {ENVIRONMENT} or set it to what that prints",
        path.display()
    );
    path
}

/// The path of a program of the system, which comes with these Debian packages.
pub fn system(program: &str, packages: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Servers stand where not everybody's PATH leads.
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .unwrap_or_else(|| {
            panic!("{program} is missing: run `tests/tools/build.sh test` as root, or `apt-get install {packages}`")
        })
}

/// The root of this checkout.
pub fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| std::env::var_os(ENVIRONMENT).map_or_else(build, PathBuf::from))
}

/// Builds what `make test` would have built. Cold, this takes minutes; its progress is shown as it goes.
fn build() -> PathBuf {
    let script = checkout().join("tests/tools/build.sh");
    let output = Command::new(&script)
        .arg("test")
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", script.display()));
    assert!(
        output.status.success(),
        "{} failed; its messages are above",
        script.display()
    );
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}
