//! A place to try Cutwater in: a control plane, a release repository, a controller and a gateway that accepts routes.
//!
//! - `releases`: [`Releases`], a release repository with a bare remote, published to by the real program
//! - `controller`: [`Controller`], the real program as a child process
//! - `gateway`: [`Accepter`], accepts HTTPRoutes as a gateway implementation does, or holds back, which a real one cannot
//!   be made to do
//! - `objects`: custom resources in few words, and what their status says
//! - `faults`: what a fault has to show, and what it must not touch

#![allow(dead_code, reason = "each test binary uses its own part of this")]

pub mod controller;
pub mod faults;
pub mod gateway;
pub mod objects;
pub mod releases;

use std::path::Path;
use std::sync::LazyLock;
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
    pub server: ServerHandle,
    pub controller: Controller,
    pub accepter: Accepter,
}

/// The shared control plane, or one of the test's own.
pub enum ServerHandle {
    Shared(&'static ApiServer),
    Own(Box<ApiServer>),
}

impl std::ops::Deref for ServerHandle {
    type Target = ApiServer;

    fn deref(&self) -> &ApiServer {
        match self {
            Self::Shared(server) => server,
            Self::Own(server) => server,
        }
    }
}

impl Lab {
    /// The one that most tests share: each takes a namespace of its own.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Lab> =
            LazyLock::new(|| Lab::around(ServerHandle::Shared(ApiServer::shared())));
        &SHARED
    }

    /// One for a test that breaks it.
    pub fn own() -> Self {
        Self::own_with(Options::all())
    }

    /// One for a test that needs another control plane.
    pub fn own_with(options: Options) -> Self {
        Self::around(ServerHandle::Own(Box::new(ApiServer::start(options))))
    }

    fn around(server: ServerHandle) -> Self {
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

    pub async fn client(&self) -> Client {
        self.server.client(User::Admin).await
    }

    /// The control plane, for a test that stops parts of it.
    pub fn own_server(&mut self) -> &mut ApiServer {
        match &mut self.server {
            ServerHandle::Own(server) => server,
            ServerHandle::Shared(_) => panic!("other tests use this control plane too"),
        }
    }
}

/// The program under test.
pub fn cutwater() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_cutwater"))
}
