//! Three reverse proxies in front of the same two backends: `cutwater serve`, whose programs the backends are, Envoy, and nginx.
//!
//! Each has as many threads for requests as there are cores, which is the default of `serve`. None writes an access log; all
//! set `X-Forwarded-For`, and Envoy is spared the headers of its own. A backend is nginx with one worker.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use cutwater::gateway::Limits;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;
use tempfile::TempDir;

use crate::clients::{Connection, HOST};
use crate::lab::cutwater;
use crate::store::{finish, git, sealed};
use crate::support::Process;
use crate::support::tools::{system, tool};

/// What all nginx need that are to write nowhere but in their folder.
const COMMON: &str = "\
user root; error_log stderr error; pid nginx.pid; worker_rlimit_nofile @FILES@;
events { worker_connections 16384; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 10m;
  client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
";
/// A version: small bodies and large ones, on the port that `serve` gives it.
const BACKEND: &str = "\
worker_processes 1;
@COMMON@
  server {
    listen 127.0.0.1:@PORT@ backlog=4096;
    location / { return 200 \"v@VERSION@\"; }
    location = /large { root .; sendfile on; }
  }
}
";
/// Makes the folder of a version, and leaves its port in a file.
const START: &str = "\
d=$PLACES/v$CUTWATER_VERSION && mkdir -p $d &&
sed \"s/@PORT@/$PORT/; s/@VERSION@/$CUTWATER_VERSION/\" nginx.conf > $d/nginx.conf &&
head -c 1048576 /dev/zero > $d/large && echo $PORT > $PLACES/port-$CUTWATER_VERSION &&
exec \"$NGINX\" -e stderr -p $d -c nginx.conf -g 'daemon off;'
";
const PATIENCE: Duration = Duration::from_mins(1);

/// A proxy that runs.
#[derive(Clone)]
pub struct Proxy {
    pub name: String,
    pub address: SocketAddr,
    id: u32,
    /// Its workers are processes of their own. Those of `serve` are the versions.
    workers: bool,
}

impl Proxy {
    /// Processor time that it used, in seconds.
    pub fn processor(&self) -> f64 {
        // A hundredth of a second is the unit on every Linux that this runs on.
        let used = |id: u32| {
            let stat = read(id, "stat");
            let fields = stat.rsplit(')').next().unwrap().split_whitespace();
            let both: f64 = (fields.skip(11).take(2))
                .map(|field| field.parse::<f64>().unwrap())
                .sum();
            both / 100.0
        };
        self.processes().into_iter().map(used).sum()
    }

    /// Resident memory in MiB.
    pub fn resident(&self) -> f64 {
        let resident = |id: u32| {
            let status = read(id, "status");
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
            kibibytes.parse::<f64>().unwrap() / 1024.0
        };
        self.processes().into_iter().map(resident).sum()
    }

    fn processes(&self) -> Vec<u32> {
        let mut all = vec![self.id];
        if self.workers {
            let children = read(self.id, &format!("task/{}/children", self.id));
            all.extend(
                children
                    .split_whitespace()
                    .map(|id| id.parse::<u32>().unwrap()),
            );
        }
        all
    }
}

fn read(id: u32, what: &str) -> String {
    let path = format!("/proc/{id}/{what}");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All that runs, until it is dropped.
pub struct Stage {
    backend: SocketAddr,
    proxies: Vec<Proxy>,
    /// How many files a process may have open.
    files: u64,
    running: Vec<Process>,
    directory: TempDir,
}

impl Stage {
    pub fn start() -> Self {
        let files = raise_files();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let common = COMMON.replace("@FILES@", &files.to_string());
        publish(path, &BACKEND.replace("@COMMON@", &common));
        let threads = std::thread::available_parallelism().unwrap().to_string();
        let (gateway, admin) = (free().to_string(), free().to_string());
        let serve = [
            "serve",
            "remote.git",
            "--state",
            "state",
            "--listen",
            &gateway,
            "--admin",
            &admin,
            "--no-ledger",
        ];
        let environment = [
            ("CUTWATER_LOG", "warn"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ];
        let serving = Process::start_with(
            "serve",
            cutwater(),
            &serve.map(str::to_owned),
            path,
            &environment,
        );
        let port = |version: u32| {
            let text = std::fs::read_to_string(path.join(format!("port-{version}"))).ok()?;
            let address = SocketAddr::new([127, 0, 0, 1].into(), text.trim().parse().ok()?);
            answers(address).then_some(address)
        };
        let backends = [1, 2].map(|version| until(&serving, || port(version)));
        let (envoy, nginx) = (free(), free());
        std::fs::write(path.join("envoy.json"), envoy_config(envoy, backends)).unwrap();
        let arguments = [
            "-c",
            "envoy.json",
            "--concurrency",
            &threads,
            "--log-level",
            "warning",
            "--use-dynamic-base-id",
        ];
        let envoy_process =
            Process::start("envoy", &tool("envoy"), &arguments.map(str::to_owned), path);
        let folder = path.join("proxy");
        std::fs::create_dir(&folder).unwrap();
        let config = format!(
            "worker_processes {threads};\n{common}{}",
            nginx_config(nginx, backends)
        );
        std::fs::write(folder.join("nginx.conf"), config).unwrap();
        let arguments = [
            "-e",
            "stderr",
            "-p",
            "proxy",
            "-c",
            "nginx.conf",
            "-g",
            "daemon off;",
        ]
        .map(str::to_owned);
        let nginx_process =
            Process::start("nginx", &system("nginx", "nginx-light"), &arguments, path);
        let running = vec![serving, envoy_process, nginx_process];
        let named = [
            ("Cutwater", gateway.parse().unwrap()),
            ("Envoy", envoy),
            ("nginx", nginx),
        ];
        let proxy = |((name, address), process): ((&str, SocketAddr), &Process)| {
            until(process, || answers(address).then_some(()));
            Proxy {
                name: name.to_owned(),
                address,
                id: process.id(),
                workers: name == "nginx",
            }
        };
        let proxies = named.into_iter().zip(&running).map(proxy).collect();
        Self {
            backend: backends[0],
            proxies,
            running,
            directory,
            files,
        }
    }

    /// How many idle connections each can bear: nine tenths of what `serve` takes, which is 10,000 where the system lets it have
    /// the files.
    pub fn idle(&self) -> usize {
        Limits::default().within(self.files, 0).connections / 10 * 9
    }

    /// Ours is the first.
    pub fn proxies(&self) -> &[Proxy] {
        &self.proxies
    }

    /// The backend of the version that has most of the traffic.
    pub fn backend(&self) -> SocketAddr {
        self.backend
    }

    /// From each commit on the branch to the first answer of the version that has all the traffic then.
    pub fn changes(&self, count: u32) -> Vec<Duration> {
        let clone = self.directory.path().join("clone");
        let remote = self.directory.path().join("remote.git");
        let mut client = Connection::open(self.proxies[0].address);
        let mut change = |version: u32| {
            release(&clone, if version == 2 { 100 } else { 0 });
            git(&clone, &["push", "-q", "origin", "HEAD:refs/heads/next"]);
            // The branch is moved as git moves it, by a new file in the place of the old, without the start of a program.
            let (next, main) = (
                remote.join("refs/heads/next"),
                remote.join("refs/heads/main"),
            );
            let begin = Instant::now();
            std::fs::rename(next, main).unwrap();
            while client.ask() != format!("v{version}") {
                assert!(
                    begin.elapsed() < PATIENCE,
                    "version {version} gets no traffic"
                );
                std::thread::sleep(Duration::from_millis(1));
            }
            begin.elapsed()
        };
        // The first change is away from 90 to 10, where version 1 answers already.
        change(2);
        (1..=count)
            .map(|number| change(1 + (number + 1) % 2))
            .collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The workers of nginx do not end with their master where that is killed.
        for process in self.running.drain(..) {
            process.stop(Duration::from_secs(10));
        }
    }
}

/// As many open files as the system allows, also for what is started: each idle connection is one here and one there.
fn raise_files() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    limit.current.unwrap_or(65_536)
}

/// A port that nobody has at this moment.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn answers(address: SocketAddr) -> bool {
    let asked = Command::new(system("curl", "curl"))
        .args(["-sf", "-o", "/dev/null", "-H", &format!("Host: {HOST}")])
        .arg(format!("http://{address}/"))
        .status();
    asked.unwrap().success()
}

fn until<T>(process: &Process, probe: impl Fn() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(
            begin.elapsed() < PATIENCE,
            "nobody answers; {}",
            process.tail()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn publish(path: &Path, config: &str) {
    git(path, &["init", "-q", "--bare", "-b", "main", "remote.git"]);
    git(path, &["clone", "-q", "remote.git", "clone"]);
    let clone: PathBuf = path.join("clone");
    let app = clone.join("apps/shop");
    std::fs::create_dir_all(&app).unwrap();
    std::fs::create_dir_all(clone.join("releases")).unwrap();
    std::fs::write(app.join("nginx.conf"), config).unwrap();
    for number in 1..=2 {
        let manifest = json!({
            "apiVersion": "cutwater.dev/v1alpha1", "kind": "App", "metadata": {"name": "shop"},
            "spec": {"functions": [{
                "name": "web", "port": 8080,
                "image": format!("shop@sha256:{}", number.to_string().repeat(64)),
                "readinessProbe": {"httpGet": {"path": "/", "port": 8080}},
                "env": [
                    {"name": "NGINX", "value": system("nginx", "nginx-light")},
                    {"name": "PLACES", "value": path},
                ],
                "local": {"command": ["sh", "-c", START]},
            }]},
        });
        std::fs::write(app.join("app.yaml"), manifest.to_string()).unwrap();
        git(&clone, &["add", "-A"]);
        git(&clone, &["commit", "-qm", "Change the shop"]);
        finish(sealed(cutwater(), &clone).args(["versions", "publish", "shop"]));
    }
    release(&clone, 10);
    git(&clone, &["push", "-q", "origin", "HEAD:refs/heads/main"]);
}

/// Commits a split in which version 2 has this share.
fn release(clone: &Path, second: u32) {
    let text = format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {{name: shop}}\nspec:\n  app: shop\n  repository: shop\n  versions:\n  - {{version: 1, percentage: {}}}\n  - {{version: 2, percentage: {second}}}\n  routes:\n  - {{hostnames: [shop.localhost], gateway: {{name: any}}}}\n",
        100 - second
    );
    std::fs::write(clone.join("releases/shop.yaml"), text).unwrap();
    git(clone, &["add", "-A"]);
    git(clone, &["commit", "-qm", "Change the split"]);
}

fn envoy_config(listen: SocketAddr, backends: [SocketAddr; 2]) -> String {
    let address = |at: SocketAddr| json!({"socket_address": {"address": "127.0.0.1", "port_value": at.port()}});
    let cluster = |name: &str, at: SocketAddr| {
        json!({
            "name": name, "type": "STATIC", "connect_timeout": "5s",
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(at)}}]}]},
        })
    };
    let split = json!({"clusters": [{"name": "v1", "weight": 90}, {"name": "v2", "weight": 10}]});
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "shop", "use_remote_address": true, "generate_request_id": false,
        "route_config": {"virtual_hosts": [{
            "name": "shop", "domains": [HOST, format!("{HOST}:*")],
            "routes": [{"match": {"prefix": "/"}, "route": {"weighted_clusters": split}}],
        }]},
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router", "suppress_envoy_headers": true},
        }],
    });
    json!({
        "static_resources": {
            "listeners": [{"name": "shop", "address": address(listen), "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager", "typed_config": manager,
            }]}]}],
            "clusters": [cluster("v1", backends[0]), cluster("v2", backends[1])],
        },
    })
    .to_string()
}

/// nginx passes bodies on as they come, as the others do, and never by way of a file.
fn nginx_config(listen: SocketAddr, [first, second]: [SocketAddr; 2]) -> String {
    format!(
        "\
  split_clients $request_id $version {{ 90% v1; * v2; }}
  upstream v1 {{ server {first}; keepalive 64; keepalive_requests 100000000; }}
  upstream v2 {{ server {second}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen {listen} backlog=4096;
    location / {{
      proxy_pass http://$version; proxy_http_version 1.1; proxy_max_temp_file_size 0;
      proxy_set_header Connection \"\"; proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto http;
    }}
  }}
}}
"
    )
}
