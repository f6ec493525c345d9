//! What a control plane is given before it starts: a directory with its keys and users, free ports, and arguments.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{User, succeed};

#[derive(Clone, Copy)]
pub(super) struct Ports {
    pub(super) api: u16,
    pub(super) etcd: u16,
    pub(super) etcd_peer: u16,
}

pub(super) fn etcd_arguments(directory: &Path, ports: Ports) -> Vec<String> {
    let client = format!("http://127.0.0.1:{}", ports.etcd);
    let peer = format!("http://127.0.0.1:{}", ports.etcd_peer);
    vec![
        format!("--data-dir={}", directory.join("etcd").display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        "--unsafe-no-fsync".into(),
        "--log-level=warn".into(),
    ]
}

pub(super) fn apiserver_arguments(directory: &Path, ports: Ports) -> Vec<String> {
    let at = |name: &str| directory.join(name).display().to_string();
    vec![
        format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd),
        format!("--secure-port={}", ports.api),
        "--bind-address=127.0.0.1".into(),
        "--advertise-address=127.0.0.1".into(),
        // Nobody reaches this server through the Service `kubernetes`, and loopback is no endpoint.
        "--endpoint-reconciler-type=none".into(),
        format!("--cert-dir={}", at("pki")),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        format!("--service-account-key-file={}", at("pki/sa.key")),
        format!("--service-account-signing-key-file={}", at("pki/sa.key")),
        "--service-cluster-ip-range=10.96.0.0/16".into(),
        format!("--token-auth-file={}", at("pki/tokens.csv")),
        "--authorization-mode=RBAC".into(),
        // Nothing watches the node's heartbeats, so nothing would take this taint away.
        "--disable-admission-plugins=TaintNodesByCondition".into(),
        "--enable-priority-and-fairness=false".into(),
        "--max-requests-inflight=3000".into(),
        "--max-mutating-requests-inflight=1500".into(),
        format!("--audit-policy-file={}", at("audit-policy.yaml")),
        format!("--audit-log-path={}", at("audit.log")),
        "--audit-log-mode=blocking-strict".into(),
        // Its default is to wait for a minute: a stopped server should be gone.
        "--shutdown-delay-duration=0".into(),
    ]
}

pub(super) fn kubeconfig(directory: &Path, ports: Ports, user: User) -> String {
    let certificate = directory.join("pki/apiserver.crt");
    let (name, port) = (user.name(), ports.api);
    format!(
        r#"apiVersion: v1
kind: Config
clusters: [{{name: test, cluster: {{server: "https://127.0.0.1:{port}", certificate-authority: "{}"}}}}]
users: [{{name: {name}, user: {{token: "{name}"}}}}]
contexts: [{{name: test, context: {{cluster: test, user: {name}}}}}]
current-context: test
"#,
        certificate.display()
    )
}

const AUDIT_POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata, users: [cutwater]}, {level: None}]
";

pub(super) fn write_inputs(directory: &Path) {
    std::fs::create_dir_all(directory.join("pki")).expect("the directory can be filled");
    write(
        &directory.join("pki/tokens.csv"),
        "admin,admin,admin,system:masters\ncutwater,cutwater,cutwater\n",
    );
    write(&directory.join("audit-policy.yaml"), AUDIT_POLICY);
    let key = directory.join("pki/sa.key");
    let made = Command::new("openssl")
        .args(["genrsa", "-out"])
        .arg(&key)
        .arg("2048")
        .output()
        .expect("openssl is installed (apt-get install openssl)");
    succeed(made);
}

pub(super) fn write(path: &Path, text: &str) {
    std::fs::write(path, text)
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

/// A new directory for one control plane. Those of test programs that are gone are removed; their logs are kept until then.
pub(super) fn fresh_directory() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let gone = |name: &str| {
        let process = name
            .strip_prefix("cluster-")
            .and_then(|rest| rest.split('-').next());
        process.is_some_and(|id| !Path::new("/proc").join(id).exists())
    };
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        if gone(&entry.file_name().to_string_lossy()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let directory = root.join(format!("cluster-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&directory)
        .unwrap_or_else(|error| panic!("cannot make {}: {error}", directory.display()));
    directory
}

pub(super) fn free_ports() -> Ports {
    // All are held before any is let go, so that they differ.
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("loopback has free ports"));
    let [api, etcd, etcd_peer] = held.map(|listener| {
        listener
            .local_addr()
            .expect("a bound listener has an address")
            .port()
    });
    Ports {
        api,
        etcd,
        etcd_peer,
    }
}
