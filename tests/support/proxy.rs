//! A real forward proxy, tinyproxy, that wants a user name and a password.

use std::fs;
use std::path::Path;

use super::service::Service;

/// Who may use it.
pub const USER: &str = "proxyuser";
/// With this password.
pub const PASSWORD: &str = "pr0xy-p4ssword";

/// A running proxy.
pub struct Proxy {
    service: Service,
}

impl Proxy {
    /// Starts one whose files are in `directory`, which is made.
    pub fn start(directory: &Path) -> Self {
        fs::create_dir_all(directory).unwrap();
        let service = Service::start(
            ("tinyproxy", "tinyproxy-bin"),
            directory,
            1,
            "Accepting connections",
            |ports| {
                let port = ports[0];
                let file = directory.join("tinyproxy.conf");
                let text = format!(
                    "Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 60\nBasicAuth {USER} {PASSWORD}\n"
                );
                fs::write(&file, text).unwrap();
                vec!["-d".into(), "-c".into(), file.display().to_string()]
            },
        );
        Self { service }
    }

    /// Its address, with `user:password@` or nothing before the host.
    pub fn url(&self, login: &str) -> String {
        format!("http://{login}127.0.0.1:{}", self.service.ports[0])
    }

    /// All that it has said: a line for each connection that it made.
    pub fn log(&self) -> String {
        self.service.log()
    }
}
