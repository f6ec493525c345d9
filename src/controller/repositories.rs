//! The mirrors of release repositories: one bare repository per Repository object, fetched on its interval and on demand.
//!
//! The only part of the controller that reads git. It never pushes, and it changes no traffic: it answers questions.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::apply::{failure, timed};
use super::cache::{AppKey, Cache, ObjectKey};
use super::queue::Queue;
use crate::api::{Reason, Repository};
use crate::git::{Credentials, RemoteUrl};
use crate::record::VersionRecord;
use crate::store::{Mirror, ResolveError, StoreError};
use crate::words::{AppName, FunctionName, VersionWord};

/// Longest time for one fetch.
const FETCH_TIMEOUT: Duration = Duration::from_mins(2);
/// A version that is missing is asked of the remote at once, but not more often than this.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// First wait after a fetch that failed; it doubles up to the interval.
const FIRST_RETRY: Duration = Duration::from_secs(2);

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

/// What one fetch led to.
#[derive(Debug, Clone)]
pub(super) struct Fetch {
    /// The commit of the branch, or why there is none.
    pub(super) head: Result<String, (Reason, String)>,
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

type Known = HashMap<(AppName, VersionWord), Result<Arc<VersionRecord>, (Reason, String)>>;

/// One mirror.
#[derive(Default)]
struct State {
    mirror: Option<Mirror>,
    url: String,
    credentials: Option<Credentials>,
    /// Apps whose refs have been fetched.
    fetched: BTreeSet<AppName>,
    /// What was read since the last fetch that changed something.
    known: Known,
    /// Words that were not there, and have been asked of the remote once more.
    missed: HashSet<(AppName, VersionWord)>,
    /// Apps that wait for the next fetch.
    waiting: BTreeSet<AppName>,
    failure: Option<(Reason, String)>,
    failures: u32,
    fetched_at: Option<Instant>,
    /// Counts fetches: what was read before one is not kept after it.
    fetches: u64,
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
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
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
        let Some(read) = read else {
            state.waiting.insert(app.clone());
            let failure = state.failure.clone();
            drop(states);
            if let Some((reason, message)) = failure {
                return Lookup::Refused(reason, message);
            }
            self.queue.add(key);
            return Lookup::Pending;
        };
        match read {
            Ok(record) => Lookup::Found(Box::new((*record).clone())),
            Err((reason, message)) => {
                let first = reason == Reason::VersionNotFound
                    && state.missed.insert((app.clone(), word.clone()));
                let ask = state.fetched_at.is_none_or(|at| at.elapsed() > ASK_AGAIN);
                if reason == Reason::VersionNotFound && ask && state.failure.is_none() {
                    state.waiting.insert(app.clone());
                    self.queue.add(key);
                    if first {
                        return Lookup::Pending;
                    }
                }
                match &state.failure {
                    // What only git knows is unknown while git is away, and never absent.
                    Some((away, failure)) if reason == Reason::VersionNotFound => Lookup::Refused(
                        *away,
                        format!("{failure}; as of the last fetch, {message}"),
                    ),
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
            self.lock().remove(key);
            return None;
        };
        if repository.spec.suspend {
            return None;
        }
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
        let (touched, again) = self.take_in(key, &result, apps, interval);
        for app in touched {
            self.apps.add(AppKey {
                namespace: key.0.clone(),
                app,
            });
        }
        self.queue.add_at(key.clone(), Instant::now() + again);
        Some(Fetch {
            head: result.map(|fetched| fetched.head),
        })
    }

    async fn fetch_now(
        &self,
        key: &ObjectKey,
        repository: &Repository,
        apps: BTreeSet<AppName>,
    ) -> Result<Fetched, (Reason, String)> {
        let url = RemoteUrl::parse(&repository.spec.url, self.allow_local)
            .map_err(|error| (Reason::RepositoryNotAllowed, error.to_string()))?;
        let credentials = match &repository.spec.secret_ref {
            Some(secret) => Some(self.credentials(&key.0, &secret.name).await?),
            None => None,
        };
        let folder = self.folder.join(folder_name(key, &repository.spec.url));
        let branch = repository.spec.branch.clone();
        let address = repository.spec.url.clone();
        let open = (self.lock().get(key))
            .filter(|state| state.url == address && state.credentials == credentials)
            .and_then(|state| state.mirror.clone());
        let fetched = blocking(move || -> Result<Fetched, StoreError> {
            let mirror = match open {
                Some(mirror) => mirror,
                None => Mirror::open(&folder, &url, credentials.clone())?,
            };
            let fetched = mirror.fetch(&branch, &apps, FETCH_TIMEOUT)?;
            if let Some(problem) = &fetched.untidy {
                tracing::warn!(repository = %url, "the mirror could not be packed anew: {problem}");
            }
            for lock in &fetched.removed {
                let lock = lock.display();
                tracing::warn!(repository = %url, "removed the lock {lock}, which a process had left that was killed");
            }
            Ok(Fetched {
                head: fetched.head.unwrap_or_default(),
                changed: fetched.changed,
                mirror,
                url: address,
                credentials,
            })
        })
        .await?;
        fetched.map_err(|error| (error.reason(), error.to_string()))
    }

    /// What a Secret holds for reading a repository. Its values go to `git` and nowhere else.
    async fn credentials(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Credentials, (Reason, String)> {
        let api = Api::<Secret>::namespaced(self.client.clone(), namespace);
        let secret = timed(api.get_opt(name))
            .await
            .map_err(|error| {
                let failure = failure(&format!("read Secret `{name}`"), &error);
                (failure.reason, failure.message)
            })?
            .ok_or_else(|| {
                (
                    Reason::CredentialsRefused,
                    format!("there is no Secret `{name}` in namespace `{namespace}`; make it, or change spec.secretRef"),
                )
            })?;
        let data = secret.data.unwrap_or_default();
        let text = |key: &str| {
            let value = data.get(key)?;
            String::from_utf8(value.0.clone()).ok()
        };
        let credentials = Credentials {
            username: text("username"),
            password: text("password"),
            bearer_token: text("bearerToken"),
            ssh_private_key: text("ssh-privatekey"),
            known_hosts: text("known_hosts"),
            ca: text("ca.crt"),
        };
        if credentials == Credentials::default() {
            return Err((
                Reason::CredentialsRefused,
                format!(
                    "Secret `{name}` in namespace `{namespace}` has none of username, password, bearerToken, ssh-privatekey, known_hosts and ca.crt"
                ),
            ));
        }
        Ok(credentials)
    }

    /// Takes in what a fetch brought; the apps to look at again, and when to fetch again.
    fn take_in(
        &self,
        key: &ObjectKey,
        result: &Result<Fetched, (Reason, String)>,
        apps: BTreeSet<AppName>,
        interval: Duration,
    ) -> (BTreeSet<AppName>, Duration) {
        let mut states = self.lock();
        let state = states.entry(key.clone()).or_default();
        let mut touched = std::mem::take(&mut state.waiting);
        state.fetches += 1;
        state.fetched_at = Some(Instant::now());
        match result {
            Ok(fetched) => {
                if state.failure.take().is_some() {
                    touched.extend(apps.iter().cloned());
                }
                state.failures = 0;
                state.known.retain(|(app, _), read| {
                    !fetched.changed.contains(app) && (read.is_ok() || !touched.contains(app))
                });
                // A word that is missing still is asked of the remote again, at the next interval.
                touched.extend(fetched.changed.iter().cloned());
                touched.extend(state.missed.iter().map(|(app, _)| app.clone()));
                let new = apps.difference(&state.fetched).cloned().collect::<Vec<_>>();
                touched.extend(new);
                state.fetched = apps;
                state.mirror = Some(fetched.mirror.clone());
                state.credentials.clone_from(&fetched.credentials);
                if state.url != fetched.url {
                    state.url.clone_from(&fetched.url);
                    state.known.clear();
                }
                (touched, interval)
            }
            Err(failure) => {
                if state.failure.as_ref() != Some(failure) {
                    touched.extend(apps);
                }
                state.failure = Some(failure.clone());
                let wait = FIRST_RETRY * 2_u32.saturating_pow(state.failures.min(10));
                state.failures += 1;
                (touched, wait.min(interval))
            }
        }
    }
}

struct Fetched {
    head: String,
    changed: BTreeSet<AppName>,
    mirror: Mirror,
    url: String,
    credentials: Option<Credentials>,
}

/// A folder per object and address: another address begins afresh.
fn folder_name(key: &ObjectKey, url: &str) -> String {
    let digest = Sha256::digest(format!("{}\0{}\0{url}", key.0, key.1));
    format!("{}.{}.{}.git", key.0, key.1, hex::encode(&digest[..6]))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, (Reason, String)> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| (Reason::Unknown, format!("reading git broke off: {error}")))
}

fn refusal(error: &ResolveError) -> (Reason, String) {
    (error.reason(), error.to_string())
}
