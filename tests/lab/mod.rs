//! A place to try Cutwater in: a control plane, a release repository, a controller and a gateway that accepts routes.
//!
//! - `releases`: [`Releases`], a release repository with a bare remote, published to by the real program
//! - `controller`: [`Controller`], the real program as a child process
//! - `gateway`: [`Accepter`], accepts HTTPRoutes as a gateway implementation does, or holds back, which a real one cannot
//!   be made to do
//! - `objects`: custom resources in few words, and what their status says
//! - `rights`: the rights that the documentation gives the controller, and no others
//! - `versions`: versions by the thousand, in the form that the real program publishes
//! - `wire`: a folder of repositories behind a real web server, with a count of the bytes
//! - `faults`: what a fault has to show, and what it must not touch

#![allow(dead_code, reason = "each test binary uses its own part of this")]

pub mod controller;
pub mod faults;
pub mod gateway;
pub mod objects;
pub mod releases;
pub mod rights;
pub mod versions;
pub mod wire;

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use kube::Client;

use crate::support::{ApiServer, Options, User};

pub use controller::Controller;
pub use gateway::Accepter;
pub use objects::Scope;
pub use releases::Releases;

/// Longest time for anything that should happen soon.
pub const SOON: Duration = Duration::from_secs(30);

/// A control plane with a controller and a gateway.
pub struct Lab {
    pub server: ApiServer,
    pub controller: Controller,
    pub accepter: Accepter,
}

impl Lab {
    /// The one that most tests share: each takes a namespace of its own. Its control plane is not [`ApiServer::shared`], for
    /// the tests there count requests, and look at objects that nobody acts on.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Lab> = LazyLock::new(Lab::own);
        &SHARED
    }

    /// One for a test that breaks it.
    pub fn own() -> Self {
        Self::own_with(Options::all())
    }

    /// One for a test that stops, kills or sets up its controller, and breaks nothing else: starting a control plane costs more than
    /// most tests, so the next one gets the same, with a new controller.
    pub fn lent() -> Lent {
        let lab = pool().pop();
        let lab = lab.map(|lab| Self {
            controller: Controller::start(
                &lab.server.kubeconfig(User::Cutwater),
                lab.server.directory(),
            ),
            ..lab
        });
        Lent(Some(lab.unwrap_or_else(Self::own)))
    }

    /// One for a test that needs another control plane.
    pub fn own_with(options: Options) -> Self {
        let server = ApiServer::start(options);
        rights::grant(&server, |_| true);
        let accepter = Accepter::start(&server.kubeconfig(User::Admin));
        let controller = Controller::start(&server.kubeconfig(User::Cutwater), server.directory());
        Self {
            server,
            controller,
            accepter,
        }
    }

    /// A namespace with a release repository, and a Repository object called `main` that leads to it.
    pub async fn scope(&self, name: &str) -> Scope {
        let namespace = self.server.namespace(name);
        let client = self.client().await;
        let releases = Releases::new(&self.server.directory().join(format!("git-{namespace}")));
        let scope = Scope {
            client,
            namespace,
            releases,
        };
        scope.repository("main").await;
        scope
    }

    /// Gives the controller the rights of the documentation: those rules of them that `keep` takes, by their text.
    pub fn grant(&self, keep: impl Fn(&str) -> bool) {
        rights::grant(&self.server, keep);
    }

    pub async fn client(&self) -> Client {
        self.server.client(User::Admin).await
    }
}

/// A lab that goes back when the test has passed.
pub struct Lent(Option<Lab>);

impl Deref for Lent {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        self.0.as_ref().expect("it goes back at the end")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Lab {
        self.0.as_mut().expect("it goes back at the end")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let lab = self.0.take().filter(|_| !std::thread::panicking());
        if let Some(mut lab) = lab {
            lab.controller.kill();
            pool().push(lab);
        }
    }
}

/// The labs that nobody has just now.
fn pool() -> MutexGuard<'static, Vec<Lab>> {
    static POOL: Mutex<Vec<Lab>> = Mutex::new(Vec::new());
    POOL.lock().expect("nobody panics with it")
}

/// The program under test.
pub fn cutwater() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_cutwater"))
}
