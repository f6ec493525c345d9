//! A real web server, lighttpd, in front of `git http-backend`, on http and https with an authority of its own.
//!
//! The repositories of one folder, below several addresses: `/open/`; `/basic/`, for the user and password of [`USER`] and
//! [`PASSWORD`]; `/half/`, the same by https and open by http; `/bearer/`, for the token [`TOKEN`]; `/moved/`, which sends to `/open/`; `/broken/`, which fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::service::Service;

/// Who may enter `/basic/`.
pub const USER: &str = "ada";
/// With this password: with a character that an address has to escape.
pub const PASSWORD: &str = "correct-h@rse-battery";
/// As it is written in an address.
pub const PASSWORD_ESCAPED: &str = "correct-h%40rse-battery";
/// What opens `/bearer/`.
pub const TOKEN: &str = "tok-8f14e45fceea167a";

/// A running web server.
pub struct Web {
    directory: PathBuf,
    service: Service,
}

impl Web {
    /// Serves the repositories in `root`; its own files are in `directory`, which is made.
    pub fn start(directory: &Path, root: &Path) -> Self {
        fs::create_dir_all(directory.join("uploads")).unwrap();
        certificates(directory);
        fs::write(directory.join("users"), format!("{USER}:{PASSWORD}\n")).unwrap();
        let broken = directory.join("broken.sh");
        fs::write(
            &broken,
            "#!/bin/sh\nprintf 'Status: 502 Bad Gateway\\n\\nthe database is away\\n'\n",
        )
        .unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&broken, mode).unwrap();
        let service = Service::start(
            ("lighttpd", "lighttpd lighttpd-mod-openssl"),
            directory,
            2,
            "server started",
            |ports| {
                let file = directory.join("lighttpd.conf");
                fs::write(&file, configuration(directory, root, ports)).unwrap();
                vec!["-D".into(), "-f".into(), file.display().to_string()]
            },
        );
        Self {
            directory: directory.to_owned(),
            service,
        }
    }

    /// `http://127.0.0.1:port` and the path.
    pub fn http(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.service.ports[0])
    }

    /// `https://127.0.0.1:port` and the path.
    pub fn https(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.service.ports[1])
    }

    /// The certificate of its authority.
    pub fn ca(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }
}

fn configuration(directory: &Path, root: &Path, ports: &[u16]) -> String {
    let (http, https) = (ports[0], ports[1]);
    let path = std::env::var("PATH").unwrap();
    let (directory, root) = (directory.display(), root.display());
    let backend = backend();
    let backend = backend.display();
    format!(
        r#"server.modules = ("mod_access", "mod_auth", "mod_authn_file", "mod_alias", "mod_setenv", "mod_redirect", "mod_cgi", "mod_openssl")
server.document-root = "{directory}"
server.bind = "127.0.0.1"
server.port = {http}
server.upload-dirs = ("{directory}/uploads")
$SERVER["socket"] == "127.0.0.1:{https}" {{
  ssl.engine = "enable"
  ssl.pemfile = "{directory}/server.pem"
  auth.require = (
    "/basic/" => ("method" => "basic", "realm" => "git", "require" => "valid-user"),
    "/half/" => ("method" => "basic", "realm" => "git", "require" => "valid-user"),
  )
}}
alias.url = ("/open" => "{backend}", "/basic" => "{backend}", "/half" => "{backend}", "/bearer" => "{backend}", "/broken" => "{directory}/broken.sh")
auth.backend = "plain"
auth.backend.plain.userfile = "{directory}/users"
auth.require = ("/basic/" => ("method" => "basic", "realm" => "git", "require" => "valid-user"))
$HTTP["url"] =~ "^/(open|basic|half|bearer|broken)/" {{
  cgi.assign = ("" => "")
  setenv.add-environment = (
    "PATH" => "{path}",
    "GIT_PROJECT_ROOT" => "{root}",
    "GIT_HTTP_EXPORT_ALL" => "1",
    "GIT_CONFIG_NOSYSTEM" => "1",
    "GIT_CONFIG_GLOBAL" => "/dev/null",
  )
}}
$HTTP["url"] =~ "^/bearer/" {{
  $REQUEST_HEADER["Authorization"] != "Bearer {TOKEN}" {{ url.access-deny = ("") }}
}}
$HTTP["url"] =~ "^/moved/" {{
  url.redirect = ("^/moved/(.*)" => "http://127.0.0.1:{http}/open/$1")
}}
"#
    )
}

/// Where git keeps its program for web servers.
fn backend() -> PathBuf {
    let output = Command::new("git").arg("--exec-path").output().unwrap();
    let folder = String::from_utf8(output.stdout).unwrap();
    let path = Path::new(folder.trim()).join("git-http-backend");
    assert!(
        path.exists(),
        "{} is missing: apt-get install git",
        path.display()
    );
    path
}

/// An authority, and a certificate of it for 127.0.0.1.
fn certificates(directory: &Path) {
    let openssl = |arguments: &str| {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(directory)
            .output()
            .expect("openssl is installed (apt-get install openssl)");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "openssl {arguments}: {said}");
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!(
        "req -x509 {key} -days 30 -subj /CN=authority -keyout ca.key -out ca.pem"
    ));
    openssl(&format!(
        "req {key} -subj /CN=127.0.0.1 -keyout server.key -out server.csr"
    ));
    fs::write(directory.join("names"), "subjectAltName=IP:127.0.0.1").unwrap();
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile names -out server.crt",
    );
    let pem = ["server.key", "server.crt"]
        .map(|name| fs::read_to_string(directory.join(name)).unwrap())
        .concat();
    fs::write(directory.join("server.pem"), pem).unwrap();
}
