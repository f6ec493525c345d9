//! A real control plane on loopback ports, in a directory of its own under `target/tmp`.
//!
//! Always: etcd and kube-apiserver. With [`Options::controllers`]: kube-controller-manager and kube-scheduler too, and
//! KWOK, which plays one node (`kwok-0`) and the life of its pods (`pods.yaml` says how a test makes a pod fail).

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};

use super::audit::{self, AuditEntry};
use super::process::Process;
use super::tools::{checkout, tool};
use super::wait_for;

mod inputs;

use inputs::{
    Ports, apiserver_arguments, etcd_arguments, free_ports, fresh_directory, kubeconfig, write,
    write_inputs,
};

const START: Duration = Duration::from_mins(1);

/// Who asks: each has a token, so the audit log tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// The test itself; may do everything.
    Admin,
    /// The controller under test; may do everything for now, by a ClusterRoleBinding of its own name.
    Cutwater,
}

impl User {
    fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Cutwater => "cutwater",
        }
    }
}

/// What a control plane should have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// kube-controller-manager, kube-scheduler and KWOK.
    pub controllers: bool,
    /// The CustomResourceDefinitions of the Gateway API.
    pub gateway_api: bool,
    /// Our own, from `crds/`.
    pub crds: bool,
}

impl Options {
    /// Everything there is.
    pub fn all() -> Self {
        Self {
            controllers: true,
            gateway_api: true,
            crds: checkout().join("crds").is_dir(),
        }
    }
}

/// A running control plane. All of it is killed when this is dropped, or when the test program ends.
pub struct ApiServer {
    directory: PathBuf,
    ports: Ports,
    etcd: Process,
    apiserver: Option<Process>,
    controllers: Vec<Process>,
}

// === starting and stopping ===

impl ApiServer {
    /// The one that the tests of a test binary share: each test takes a [`namespace`](Self::namespace) of its own.
    pub fn shared() -> &'static Self {
        // Where starting it failed once, each other test fails at once too.
        static SHARED: LazyLock<ApiServer> = LazyLock::new(|| ApiServer::start(Options::all()));
        &SHARED
    }

    /// Starts one for a test that breaks it.
    pub fn start(options: Options) -> Self {
        let directory = fresh_directory();
        write_inputs(&directory);
        // Another program may take a free port before the server does: then all of it is tried again.
        let mut server = (1..=3)
            .find_map(|attempt| match Self::try_start(&directory) {
                Ok(server) => Some(server),
                Err(why) if attempt < 3 && why.contains("address already in use") => None,
                Err(why) => panic!("{why}"),
            })
            .expect("the last attempt starts or panics");
        // Types come first: the garbage collector looks for new ones only twice a minute.
        if options.gateway_api {
            server.install_gateway_api();
        }
        if options.crds {
            server.install_crds();
        }
        server.apply(&checkout().join("tests/support/bootstrap.yaml"));
        if options.controllers {
            server.start_controllers();
        }
        server
    }

    fn try_start(directory: &Path) -> Result<Self, String> {
        let ports = free_ports();
        let etcd = Process::start(
            "etcd",
            &tool("etcd"),
            &etcd_arguments(directory, ports),
            directory,
        );
        let mut server = Self {
            directory: directory.to_owned(),
            ports,
            etcd,
            apiserver: None,
            controllers: Vec::new(),
        };
        for user in [User::Admin, User::Cutwater] {
            write(
                &server.kubeconfig(user),
                &kubeconfig(directory, ports, user),
            );
        }
        server.launch_apiserver()?;
        Ok(server)
    }

    /// Starts kube-apiserver where it was stopped: same port, same data. Returns when it is ready.
    pub fn start_apiserver(&mut self) {
        assert!(self.apiserver.is_none(), "kube-apiserver runs already");
        if let Err(why) = self.launch_apiserver() {
            panic!("{why}");
        }
    }

    /// Stops kube-apiserver. Everything else goes on without it.
    pub fn stop_apiserver(&mut self) {
        if let Some(process) = self.apiserver.take() {
            process.stop(Duration::from_secs(5));
        }
    }

    /// Stops and starts kube-apiserver.
    pub fn restart_apiserver(&mut self) {
        self.stop_apiserver();
        self.start_apiserver();
    }

    fn launch_apiserver(&mut self) -> Result<(), String> {
        let arguments = apiserver_arguments(&self.directory, self.ports);
        let process = Process::start(
            "kube-apiserver",
            &tool("kube-apiserver"),
            &arguments,
            &self.directory,
        );
        let process = self.apiserver.insert(process);
        let start = Instant::now();
        loop {
            for program in [&mut *process, &mut self.etcd] {
                if let Some(status) = program.ended() {
                    return Err(format!("ended with {status}; {}", program.tail()));
                }
            }
            if self.directory.join("pki/apiserver.crt").exists()
                && ready(&self.directory, self.ports)
            {
                return Ok(());
            }
            if start.elapsed() > START {
                return Err(format!("not ready after {START:?}; {}", process.tail()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn start_controllers(&mut self) {
        let config = format!("--kubeconfig={}", self.kubeconfig(User::Admin).display());
        let pki = self.directory.join("pki");
        let manager = [
            // The node lives as long as its API server; nobody needs to watch its heartbeats.
            "--controllers=*,-node-lifecycle-controller,-node-ipam-controller,-taint-eviction-controller".to_owned(),
            format!("--service-account-private-key-file={}", pki.join("sa.key").display()),
            format!("--root-ca-file={}", pki.join("apiserver.crt").display()),
            "--horizontal-pod-autoscaler-sync-period=1s".into(),
            "--concurrent-deployment-syncs=20".into(),
            "--concurrent-replicaset-syncs=20".into(),
            "--concurrent-gc-syncs=20".into(),
            "--kube-api-qps=2000".into(),
            "--kube-api-burst=4000".into(),
        ];
        let scheduler = [
            "--kube-api-qps=2000".to_owned(),
            "--kube-api-burst=4000".into(),
        ];
        let quiet = ["--leader-elect=false".to_owned(), "--secure-port=0".into()];
        let kwok = [
            format!(
                "--config={}",
                checkout().join("tests/support/pods.yaml").display()
            ),
            "--manage-all-nodes".to_owned(),
            "--node-lease-duration-seconds=0".into(),
            "--cidr=10.128.0.0/9".into(),
        ];
        let programs: [(&str, Vec<String>); 3] = [
            (
                "kube-controller-manager",
                [&manager[..], &quiet[..]].concat(),
            ),
            ("kube-scheduler", [&scheduler[..], &quiet[..]].concat()),
            ("kwok", kwok.to_vec()),
        ];
        for (name, mut arguments) in programs {
            arguments.push(config.clone());
            self.controllers.push(Process::start(
                name,
                &tool(name),
                &arguments,
                &self.directory,
            ));
        }
    }
}

// === using it ===

impl ApiServer {
    /// The kubeconfig file of one user.
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        self.directory.join(format!("{}.kubeconfig", user.name()))
    }

    /// A client of one user. It lives in the runtime of the test that asks, so each test makes its own.
    pub async fn client(&self, user: User) -> kube::Client {
        // A second provider in one program is refused, and the first is this one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig(user))
            .expect("the kubeconfig that start() wrote");
        let config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .expect("the kubeconfig that start() wrote is complete");
        kube::Client::try_from(config).expect("a client needs nothing but that config")
    }

    /// Makes a namespace called `<prefix>-<number>` and waits until pods can be made in it.
    pub fn namespace(&self, prefix: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("{prefix}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.ask(async |client| {
            let namespace = Namespace {
                metadata: ObjectMeta {
                    name: Some(name.clone()),
                    ..ObjectMeta::default()
                },
                ..Namespace::default()
            };
            let all = Api::<Namespace>::all(client.clone());
            all.create(&PostParams::default(), &namespace)
                .await
                .unwrap();
            if self.controllers.is_empty() {
                return;
            }
            // Admission refuses pods until the namespace has its service account.
            let accounts = Api::<ServiceAccount>::namespaced(client, &name);
            wait_for("the service account", START, async || {
                accounts.get_opt("default").await.unwrap()
            })
            .await;
        });
        name
    }

    /// Runs something as the administrator in a runtime of its own, for callers that are in one already.
    fn ask(&self, what: impl AsyncFnOnce(kube::Client) + Send) {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime can be made");
                runtime.block_on(async { what(self.client(User::Admin).await).await });
            });
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        });
    }

    /// Runs kubectl as the administrator and returns what it said.
    pub fn kubectl(&self, arguments: &[&str]) -> Output {
        Command::new(tool("kubectl"))
            .arg(format!(
                "--kubeconfig={}",
                self.kubeconfig(User::Admin).display()
            ))
            // Its discovery cache would otherwise be in the home directory.
            .env("KUBECACHEDIR", self.directory.join("kubectl"))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("kubectl can be started")
    }

    /// Installs the Gateway API's types.
    pub fn install_gateway_api(&self) {
        self.apply(&tool("gateway-api").join("standard"));
        self.await_types();
    }

    /// Installs our own types.
    pub fn install_crds(&self) {
        self.apply(&checkout().join("crds"));
        self.await_types();
    }

    /// What `user` asked since `since`, oldest first. Every request is there once it was answered.
    pub fn audit_requests(&self, user: User, since: Timestamp) -> Vec<AuditEntry> {
        audit::read(&self.directory.join("audit.log"), user.name(), since)
    }

    /// The directory with the logs, data and keys of this control plane.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn apply(&self, path: &Path) {
        let path = path.to_string_lossy();
        succeed(self.kubectl(&["apply", "--server-side", "-f", &path]));
    }

    fn await_types(&self) {
        let wait = [
            "wait",
            "--for=condition=Established",
            "--timeout=30s",
            "crd",
            "--all",
        ];
        succeed(self.kubectl(&wait));
    }
}

/// Panics with what a program said, unless it succeeded.
pub fn succeed(output: Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// Whether kube-apiserver says that it is ready.
fn ready(directory: &Path, ports: Ports) -> bool {
    if std::net::TcpStream::connect(("127.0.0.1", ports.api)).is_err() {
        return false;
    }
    let config = directory.join("admin.kubeconfig");
    Command::new(tool("kubectl"))
        .arg(format!("--kubeconfig={}", config.display()))
        .args(["get", "--raw=/readyz", "--request-timeout=2s"])
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success())
}
