//! A real OpenSSH server on loopback, with keys of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::service::Service;

/// A server that lets in the user that runs the tests, by one key.
pub struct Sshd {
    directory: PathBuf,
    service: Service,
}

impl Sshd {
    /// Starts one whose files are in `directory`, which is made.
    pub fn start(directory: &Path) -> Self {
        fs::create_dir_all(directory).unwrap();
        for key in ["host_key", "user_key", "other_key"] {
            keygen(&directory.join(key));
        }
        // Started by root, it insists on this folder, which a service manager would have made.
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let listening = "Server listening on 127.0.0.1";
        let service = Service::start(
            ("sshd", "openssh-server"),
            directory,
            1,
            listening,
            |ports| {
                let file = directory.join("sshd_config");
                fs::write(&file, configuration(directory, ports[0])).unwrap();
                vec![
                    "-D".into(),
                    "-e".into(),
                    "-f".into(),
                    file.display().to_string(),
                ]
            },
        );
        let port = service.ports[0];
        let line = |key: &str| {
            let key = fs::read_to_string(directory.join(key)).unwrap();
            format!("[127.0.0.1]:{port} {key}")
        };
        fs::write(directory.join("known_hosts"), line("host_key.pub")).unwrap();
        fs::write(directory.join("wrong_hosts"), line("other_key.pub")).unwrap();
        fs::write(directory.join("no_hosts"), "").unwrap();
        Self {
            directory: directory.to_owned(),
            service,
        }
    }

    /// The address of a repository at this path.
    pub fn url(&self, path: &Path) -> String {
        format!(
            "ssh://127.0.0.1:{}{}",
            self.service.ports[0],
            path.display()
        )
    }

    /// A file of it: `user_key`, which is let in, and `other_key`; `known_hosts`, `wrong_hosts` and `no_hosts`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes an ssh configuration with these lines, and nothing of the user's; the command that uses it.
    pub fn client(&self, hosts: &str, lines: &str) -> String {
        let file = self.directory.join("ssh_config");
        let hosts = self.file(hosts).display().to_string();
        let text = format!(
            "UserKnownHostsFile {hosts}\nGlobalKnownHostsFile none\nBatchMode yes\n{lines}\n"
        );
        fs::write(&file, text).unwrap();
        format!("ssh -F {}", file.display())
    }
}

fn configuration(directory: &Path, port: u16) -> String {
    let path = std::env::var("PATH").unwrap();
    let directory = directory.display();
    format!(
        "Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PermitUserRC no
# The newest costs a tenth of a second of each of the hundreds of connections of a race.
KexAlgorithms curve25519-sha256
# As many at once as a race has.
MaxStartups 500
AcceptEnv GIT_PROTOCOL
# With SHLVL, the shell does not read what the user of this machine has its shells do first.
SetEnv SHLVL=1 PATH={path} GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
"
    )
}

fn keygen(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path)
        .status()
        .expect("ssh-keygen is installed (apt-get install openssh-client)");
    assert!(made.success());
}
