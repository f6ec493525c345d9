//! The mirrors of release repositories: one bare repository per Repository object, fetched on its interval and on demand.
//!
//! The only part of the controller that reads git. It never pushes, and it changes no traffic: it answers questions.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::key::{AppKey, ObjectKey};
use super::repository_state::{Access, Lane, State};

use super::cache::Cache;
use super::fetched::{Fetch, since};
use super::mirrors::{self, Fetched, Order, Unfetched};
use super::queue::Queue;
use super::secret::credentials;
use crate::api::{Reason, Repository};
use crate::git::RemoteUrl;
use crate::record::VersionRecord;
use crate::store::ResolveError;
use crate::words::{AppName, FunctionName, VersionWord};

/// How often it is checked whether the Repositories are known, at the start only.
const SYNC_CHECK: Duration = Duration::from_millis(50);

/// Answer to a question about a version.
#[derive(Debug)]
pub(super) enum Lookup {
    /// This is it.
    Found(Box<VersionRecord>),
    /// It is being fetched; the app is looked at again then.
    Pending,
    /// There is no such version, or no such repository.
    Refused(Reason, String),
}

/// What became of the word that a repository was pushed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// A fetch is due.
    Due,
    /// It is not fetched for now.
    Suspended,
    /// There is no such Repository.
    Gone,
}

/// All mirrors.
pub(super) struct Repositories {
    client: Client,
    cache: Arc<Cache>,
    apps: Arc<Queue<AppKey>>,
    queue: Arc<Queue<ObjectKey>>,
    /// Folder of the mirrors.
    folder: PathBuf,
    allow_local: bool,
    states: Mutex<HashMap<ObjectKey, State>>,
}

impl Repositories {
    pub(super) fn new(
        client: Client,
        cache: Arc<Cache>,
        apps: Arc<Queue<AppKey>>,
        queue: Arc<Queue<ObjectKey>>,
        folder: PathBuf,
        allow_local: bool,
    ) -> Self {
        Self {
            client,
            cache,
            apps,
            queue,
            folder,
            allow_local,
            states: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, State>> {
        self.states.lock()
    }

    /// The version that a word names. Asks the remote once before it says that there is none.
    pub(super) async fn resolve(
        &self,
        namespace: &str,
        repository: &str,
        app: &AppName,
        word: &VersionWord,
    ) -> Lookup {
        let key = (namespace.to_owned(), repository.to_owned());
        let Some(object) = self.cache.repository(namespace, repository) else {
            return Lookup::Refused(
                Reason::RepositoryNotFound,
                format!(
                    "there is no Repository `{repository}` in namespace `{namespace}`; make it, see `kubectl explain cwr.spec`"
                ),
            );
        };
        let read = self.read(&key, app, word).await;
        if read.is_none() && object.spec.suspend {
            return Lookup::Refused(
                Reason::Suspended,
                format!(
                    "Repository `{repository}` is suspended and app `{app}` has not been read from it; set spec.suspend to false"
                ),
            );
        }
        let mut states = self.lock();
        let state = states.entry(key.clone()).or_default();
        // What is being fetched is waited for: a fetch comes after it.
        let is_filling = state.is_filling();
        let Some(read) = read else {
            state.waiting.insert(app.clone());
            let failure = state.failure.clone();
            drop(states);
            if let Some((reason, message)) = failure {
                return Lookup::Refused(reason, message);
            }
            if !is_filling {
                self.queue.add(key);
            }
            return Lookup::Pending;
        };
        match read {
            Ok(record) => {
                state.missed.remove(&(app.clone(), word.clone()));
                Lookup::Found(Box::new((*record).clone()))
            }
            Err((reason, message)) => {
                let may_come = state.failure.is_none() && !object.spec.suspend;
                if reason == Reason::VersionNotFound && may_come {
                    let (due, pending) = state.miss((app.clone(), word.clone()));
                    if pending || due <= Instant::now() {
                        state.waiting.insert(app.clone());
                        if !is_filling {
                            self.queue.add_at(key, due);
                        }
                    }
                    if pending {
                        return Lookup::Pending;
                    }
                }
                match &state.failure {
                    // What only git knows is unknown while git is away, and never absent.
                    Some((away, failure)) if reason == Reason::VersionNotFound => {
                        let failure = since(failure.clone(), state.as_of);
                        Lookup::Refused(*away, format!("{failure}, when {message}"))
                    }
                    _ => Lookup::Refused(reason, message),
                }
            }
        }
    }

    /// What git says about a version, if its app has been fetched: nothing where git could not be asked.
    pub(super) async fn peek(
        &self,
        namespace: &str,
        repository: &str,
        app: &AppName,
        word: &VersionWord,
    ) -> Option<Result<Arc<VersionRecord>, (Reason, String)>> {
        let key = (namespace.to_owned(), repository.to_owned());
        self.read(&key, app, word).await
    }

    /// Contents of a function's files, for their `ConfigMap`.
    pub(super) async fn files(
        &self,
        namespace: &str,
        repository: &str,
        record: &VersionRecord,
        function: &FunctionName,
    ) -> Result<std::collections::BTreeMap<String, Vec<u8>>, (Reason, String)> {
        let key = (namespace.to_owned(), repository.to_owned());
        let mirror = self.lock().get(&key).and_then(|state| state.mirror.clone());
        let Some(mirror) = mirror else {
            return Err((
                Reason::RepositoryUnreachable,
                format!(
                    "the files of {} {} are needed, and Repository `{repository}` has not been read yet",
                    record.app, record.number
                ),
            ));
        };
        let (record, function) = (record.clone(), function.clone());
        let read = blocking(move || mirror.file_contents(&record, &function)).await?;
        read.map_err(|error| refusal(&error))
    }

    /// Reads from the mirror, or from what was read before.
    async fn read(
        &self,
        key: &ObjectKey,
        app: &AppName,
        word: &VersionWord,
    ) -> Option<Result<Arc<VersionRecord>, (Reason, String)>> {
        let asked = (app.clone(), word.clone());
        let (mirror, fetches) = {
            let states = self.lock();
            let state = states.get(key)?;
            if !state.fetched.contains(app) {
                return None;
            }
            if let Some(known) = state.known.get(&asked) {
                return Some(known.clone());
            }
            (state.mirror.clone()?, state.fetches)
        };
        let (name, wanted) = asked.clone();
        let read = match blocking(move || mirror.resolve(&name, &wanted)).await {
            Ok(Ok(record)) => Ok(Arc::new(record)),
            Ok(Err(error)) => Err(refusal(&error)),
            Err(failure) => Err(failure),
        };
        if let Some(state) = self.lock().get_mut(key)
            && state.fetches == fetches
        {
            state.known.insert(asked, read.clone());
        }
        Some(read)
    }

    /// Fetches a repository whose turn it is. `None` where there is nothing to fetch.
    pub(super) async fn fetch(&self, key: &ObjectKey) -> Option<Fetch> {
        let Some(repository) = self.cache.repository(&key.0, &key.1) else {
            self.forget(key).await;
            return None;
        };
        if repository.spec.suspend {
            return None;
        }
        let number = {
            let mut states = self.lock();
            let state = states.entry(key.clone()).or_default();
            state.begun += 1;
            state.begun
        };
        let users = self.cache.lock().apps_of_repository(&key.0, &key.1);
        let mut apps: BTreeSet<AppName> = users.into_iter().map(|user| user.app).collect();
        apps.extend(
            self.lock()
                .entry(key.clone())
                .or_default()
                .waiting
                .iter()
                .cloned(),
        );
        let result = self.fetch_now(key, &repository, apps.clone()).await;
        let interval = Duration::from_secs(u64::from(repository.spec.interval.as_secs()));
        let (touched, again) = {
            let mut states = self.lock();
            let state = states.entry(key.clone()).or_default();
            state.take_in(number, &result, apps, interval)
        };
        for app in touched {
            self.apps.add(AppKey {
                namespace: key.0.clone(),
                app,
            });
        }
        self.queue.add_at(key.clone(), Instant::now() + again);
        let as_of = self.lock().get(key).and_then(|state| state.as_of);
        match result {
            Ok((fetched, _)) if fetched.is_part && fetched.head.is_none() => {
                // The branch itself takes long, and there is nothing to tell before it came.
                mirrors::arrival(&fetched.mirror).await;
                None
            }
            Ok((fetched, _)) => Some(Fetch::came(&repository, fetched)),
            Err(unfetched) => Some(Fetch::failed(&repository, unfetched, as_of)),
        }
    }

    /// A forge says that a repository was pushed to: it is fetched at once, or as soon as earlier calls and its failures let it.
    pub(super) fn pushed(&self, key: &ObjectKey) -> Pushed {
        let Some(repository) = self.cache.repository(&key.0, &key.1) else {
            return Pushed::Gone;
        };
        if repository.spec.suspend {
            return Pushed::Suspended;
        }
        let interval = repository.spec.interval.duration();
        let mut states = self.lock();
        let state = states.entry(key.clone()).or_default();
        let due = state.pushed(Instant::now(), interval);
        drop(states);
        self.queue.add_at(key.clone(), due);
        Pushed::Due
    }

    /// Where the fetch of a repository has to wait for its turn.
    pub(super) fn place(&self, key: &ObjectKey) -> (Lane, String) {
        let Some(repository) = self.cache.repository(&key.0, &key.1) else {
            return (Lane::Fast, String::new());
        };
        let address = &repository.spec.url;
        let url = RemoteUrl::parse(address, self.allow_local);
        let host = url.map_or_else(|_| String::new(), |url| url.host().to_owned());
        let failed = (self.lock().get(key))
            .is_some_and(|state| state.failures > 0 && state.tried == *address);
        (if failed { Lane::Slow } else { Lane::Fast }, host)
    }

    async fn fetch_now(
        &self,
        key: &ObjectKey,
        repository: &Repository,
        apps: BTreeSet<AppName>,
    ) -> Result<(Fetched, Access), Unfetched> {
        let address = repository.spec.url.clone();
        (self.lock().entry(key.clone()).or_default().tried).clone_from(&address);
        let url = RemoteUrl::parse(&address, self.allow_local)
            .map_err(|error| (Reason::RepositoryNotAllowed, error.to_string()))?;
        let credentials = match &repository.spec.secret_ref {
            Some(secret) => Some(credentials(&self.client, &key.0, &secret.name).await?),
            None => None,
        };
        let access = Access {
            url: address,
            credentials,
        };
        let name = mirrors::folder_name(key, &access.url);
        let (order, moved) = {
            let states = self.lock();
            let state = states.get(key);
            let same = state.filter(|state| state.access.as_ref() == Some(&access));
            let filling = state.and_then(|state| state.filling(&access));
            let open = same.and_then(|state| state.mirror.clone());
            // The folder of an address that it had before is of no use once the new one was read.
            let moved = open.is_none();
            let order = Order {
                folder: self.folder.join(&name),
                url,
                branch: repository.spec.branch.clone(),
                apps,
                credentials: access.credentials.clone(),
                proven: filling.is_some() || same.is_some_and(|state| state.failures == 0),
                open: filling.or(open),
                silence: mirrors::FETCH_SILENCE,
            };
            (order, moved)
        };
        let (folder, key) = (self.folder.clone(), key.clone());
        let fetched = blocking(move || {
            let fetched = order.run()?;
            if moved && !fetched.is_part {
                mirrors::remove(&folder, |other| {
                    other != name && mirrors::is_of(other, &key)
                });
            }
            Ok(fetched)
        });
        fetched.await?.map(|fetched| (fetched, access))
    }

    /// Removes the mirrors of Repositories that are gone. Waits until it is known which there are.
    pub(super) async fn sweep(&self) {
        while !self.cache.lock().synced.contains("Repository") {
            tokio::time::sleep(SYNC_CHECK).await;
        }
        let (known, unread) = {
            let state = self.cache.lock();
            let known: HashSet<String> = (state.repositories.iter())
                .map(|(key, repository)| mirrors::folder_name(key, &repository.spec.url))
                .collect();
            (known, state.unread_repositories.clone())
        };
        let folder = self.folder.clone();
        let swept = blocking(move || {
            mirrors::remove(&folder, |name| {
                !known.contains(name) && !unread.iter().any(|key| mirrors::is_of(name, key))
            });
        });
        if let Err((_, problem)) = swept.await {
            tracing::warn!(
                problem,
                "mirrors that no Repository needs could not be removed"
            );
        }
    }

    /// Forgets a repository that is gone, with its mirror.
    async fn forget(&self, key: &ObjectKey) {
        self.lock().remove(key);
        if self.cache.lock().unread_repositories.contains(key) {
            return;
        }
        let (folder, key) = (self.folder.clone(), key.clone());
        let removed = blocking(move || mirrors::remove(&folder, |name| mirrors::is_of(name, &key)));
        if let Err((_, problem)) = removed.await {
            tracing::warn!(problem, "a mirror could not be removed");
        }
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, (Reason, String)> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| (Reason::Unknown, format!("reading git broke off: {error}")))
}

fn refusal(error: &ResolveError) -> (Reason, String) {
    (error.reason(), error.to_string())
}
