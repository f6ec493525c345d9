//! Conditions: their types, their reasons, and how one is set.
//!
//! Pure: time is an argument. A condition whose status stays the same keeps its time, so that an unchanged world gives an
//! unchanged status. A reason is one word for the condition, the event and the metric label alike.

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $word:ident,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $word,)*
        }

        impl $name {
            /// All of them, in the order in which they are shown.
            pub const ALL: &'static [Self] = &[$(Self::$word,)*];

            /// The word as it stands in conditions, events and metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => stringify!($word),)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// What a condition speaks of. `Reconciling` and `Stalled` are bad when true, the others good.
    Type {
        /// Everything is as wanted.
        Ready,
        /// Work is under way and goes on by itself.
        Reconciling,
        /// Nothing goes on until somebody changes something.
        Stalled,
        /// Every wanted version was found in git.
        VersionsResolved,
        /// Every wanted version has the pods it needs.
        WorkloadsReady,
        /// Every route is accepted by its gateway.
        RoutesAccepted,
        /// The gateways serve exactly what is wanted.
        Converged,
        /// The releases of the tracked branch are applied (Repository only).
        Synced,
    }
}

words! {
    /// Why a condition is as it is.
    Reason {
        /// All is as wanted.
        Succeeded,
        /// Work is under way.
        Progressing,
        /// The object is being deleted: routes go first, pods last.
        Draining,
        /// Reading was stopped by `spec.suspend`.
        Suspended,
        /// The spec cannot work as it is written.
        InvalidSpec,
        /// The object could not be read at all.
        MalformedObject,
        /// Another object of this kind has the app in this namespace.
        AppTaken,
        /// Another Repository is named for this app in this namespace.
        RepositoryConflict,
        /// The Repository does not exist in this namespace.
        RepositoryNotFound,
        /// The Repository's address is of a kind that this controller does not allow.
        RepositoryNotAllowed,
        /// The repository could not be reached.
        RepositoryUnreachable,
        /// What answered is not a git repository.
        NotARepository,
        /// The repository refused the credential, or the Secret with it is missing or incomplete.
        CredentialsRefused,
        /// The tracked branch does not exist.
        BranchNotFound,
        /// No version goes by that word.
        VersionNotFound,
        /// Several versions go by that id.
        VersionAmbiguous,
        /// Two entries turned out to be one version.
        VersionTwice,
        /// The version was deleted.
        VersionDeleted,
        /// A tag stands at the version's place that no publisher of Cutwater made.
        VersionForeign,
        /// The version's tag points elsewhere now; what was pinned goes on serving.
        VersionMoved,
        /// The snapshot holds something that this program cannot read or run.
        SnapshotUnreadable,
        /// The app has no function of that name, or several and none was named.
        FunctionNotFound,
        /// Pods are not ready yet.
        WaitingForPods,
        /// Pods crash.
        PodsCrashing,
        /// An image cannot be pulled.
        ImagePullFailed,
        /// Pods could not be made.
        PodsRefused,
        /// The gateway does not exist.
        GatewayNotFound,
        /// The gateway has no listener of that name.
        ListenerNotFound,
        /// The Gateway API is not installed in this cluster.
        GatewayApiMissing,
        /// The gateway has not accepted the route yet.
        WaitingForGateway,
        /// The gateway refused the route.
        RouteRefused,
        /// Another route has this hostname and path on this gateway.
        RouteClaimed,
        /// The route needs more rules or backends than the Gateway API allows.
        RouteTooLarge,
        /// The gateway cannot do what is asked.
        NotSupported,
        /// There are no routes.
        NoRoutes,
        /// An object of somebody else's has a name that is needed.
        NameTaken,
        /// An HTTPRoute of somebody else's keeps pods that nobody asks for any more (an event only).
        ForeignRoute,
        /// The wait for the gateway to take up what it accepted.
        Settling,
        /// No wanted version is ready; the last split stays.
        NothingReady,
        /// The API server could not be reached, or failed.
        ApiServerError,
        /// What the controller remembered of the app was lost or changed by hand (an event only).
        MemoryLost,
        /// The API server refused what has to be written: by a right, a quota, an admission rule or a schema.
        ApiServerRefused,
        /// The commit of the branch does not follow the one that was synced before.
        HistoryRewritten,
        /// The branch is at a commit before the one that was synced: it went back, or the repository is a copy that lags behind.
        BranchWentBack,
        /// Whether the commit of the branch follows the one that was synced before cannot be told.
        HistoryUnknown,
        /// Files of the releases hold something that cannot be applied.
        ReleasesInvalid,
        /// Objects that the commit does not have stay until somebody says that they may go.
        PruneHeld,
        /// An object that is synced was changed by hand and put back (an event only).
        PutBack,
        /// Something could not be found out.
        Unknown,
    }
}

/// What a reason means for those who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// All is well, or it is as somebody wished.
    Fine,
    /// It only passes on the way to what is wanted.
    Step,
    /// Something is wrong that can go away by itself.
    Fault,
    /// It does not go away by waiting: somebody has to change something.
    Stalled,
}

impl Reason {
    /// What it means for those who wait.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::Succeeded | Self::NoRoutes | Self::Draining | Self::PutBack => Class::Fine,
            Self::Progressing
            | Self::Settling
            | Self::WaitingForPods
            | Self::WaitingForGateway
            | Self::NothingReady => Class::Step,
            Self::Suspended
            | Self::RepositoryUnreachable
            | Self::NotARepository
            | Self::CredentialsRefused
            | Self::BranchNotFound
            | Self::PodsCrashing
            | Self::ImagePullFailed
            | Self::PodsRefused
            | Self::GatewayApiMissing
            | Self::ApiServerError
            | Self::MemoryLost
            | Self::ForeignRoute
            | Self::BranchWentBack
            | Self::HistoryUnknown
            | Self::Unknown => Class::Fault,
            Self::InvalidSpec
            | Self::MalformedObject
            | Self::AppTaken
            | Self::RepositoryConflict
            | Self::RepositoryNotFound
            | Self::RepositoryNotAllowed
            | Self::VersionNotFound
            | Self::VersionAmbiguous
            | Self::VersionTwice
            | Self::VersionDeleted
            | Self::VersionForeign
            | Self::VersionMoved
            | Self::SnapshotUnreadable
            | Self::FunctionNotFound
            | Self::GatewayNotFound
            | Self::ListenerNotFound
            | Self::RouteRefused
            | Self::RouteClaimed
            | Self::RouteTooLarge
            | Self::NotSupported
            | Self::NameTaken
            | Self::HistoryRewritten
            | Self::ReleasesInvalid
            | Self::PruneHeld
            | Self::ApiServerRefused => Class::Stalled,
        }
    }

    /// The reason that goes by this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        let mut all = Self::ALL.iter();
        all.find(|reason| reason.as_str() == word).copied()
    }
}

/// Whether something is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It is.
    True,
    /// It is not.
    False,
    /// It could not be found out.
    Unknown,
}

impl State {
    /// The word as it stands in a condition.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for State {
    fn from(yes: bool) -> Self {
        if yes { Self::True } else { Self::False }
    }
}

/// What a condition should say, without its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Say {
    /// What it speaks of.
    pub type_: Type,
    /// Whether it is true.
    pub state: State,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, for people: what happened, and what to do where there is something to do.
    pub message: String,
}

impl Say {
    /// A condition's content.
    pub fn new(
        type_: Type,
        state: impl Into<State>,
        reason: Reason,
        message: impl Into<String>,
    ) -> Self {
        Self {
            type_,
            state: state.into(),
            reason,
            message: message.into(),
        }
    }
}

/// Longest message that the API server takes, in bytes.
pub const MESSAGE_MAX: usize = 32_768;

/// Sets one condition. Its time changes only if its status does; the others stay. The list is kept in the order of [`Type`].
///
/// Returns true if reason or status changed: then there is something to tell in an event.
pub fn set(
    conditions: &mut Vec<Condition>,
    say: &Say,
    generation: Option<i64>,
    now: Timestamp,
) -> bool {
    let old = conditions
        .iter()
        .position(|condition| condition.type_ == say.type_.as_str())
        .map(|index| conditions.remove(index));
    let since = old
        .as_ref()
        .filter(|old| old.status == say.state.as_str())
        .map_or_else(|| whole_second(now), |old| old.last_transition_time.clone());
    let news = old
        .as_ref()
        .is_none_or(|old| old.status != say.state.as_str() || old.reason != say.reason.as_str());
    conditions.push(Condition {
        type_: say.type_.as_str().to_owned(),
        status: say.state.as_str().to_owned(),
        reason: say.reason.as_str().to_owned(),
        message: shortened(&say.message),
        observed_generation: generation,
        last_transition_time: since,
    });
    conditions.sort_by_key(|condition| rank(&condition.type_));
    news
}

/// A time as the API server keeps it: in whole seconds, so that what is read back equals what was written.
#[must_use]
pub fn whole_second(now: Timestamp) -> Time {
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}

/// Takes a condition away. Returns true if it was there.
pub fn unset(conditions: &mut Vec<Condition>, type_: Type) -> bool {
    let before = conditions.len();
    conditions.retain(|condition| condition.type_ != type_.as_str());
    conditions.len() < before
}

/// The condition of that type.
#[must_use]
pub fn find(conditions: &[Condition], type_: Type) -> Option<&Condition> {
    conditions
        .iter()
        .find(|condition| condition.type_ == type_.as_str())
}

/// True if the condition is there and its status is `True`.
#[must_use]
pub fn is_true(conditions: &[Condition], type_: Type) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == State::True.as_str())
}

/// Our order; a type that is not ours comes last.
fn rank(type_: &str) -> usize {
    Type::ALL
        .iter()
        .position(|known| known.as_str() == type_)
        .unwrap_or(Type::ALL.len())
}

/// At most [`MESSAGE_MAX`] bytes, cut between characters.
fn shortened(message: &str) -> String {
    message[..message.floor_char_boundary(MESSAGE_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_condition_keeps_its_time_while_its_status_stays() {
        let mut conditions = Vec::new();
        let waiting = Say::new(Type::Ready, false, Reason::WaitingForPods, "0 of 2");
        assert!(set(&mut conditions, &waiting, Some(1), at(10)));
        let more = Say::new(Type::Ready, false, Reason::WaitingForPods, "1 of 2");
        assert!(!set(&mut conditions, &more, Some(1), at(20)), "no news");
        assert_eq!(conditions[0].last_transition_time.0, at(10));
        assert_eq!(conditions[0].message, "1 of 2");
        let crash = Say::new(Type::Ready, false, Reason::PodsCrashing, "pod a");
        assert!(
            set(&mut conditions, &crash, Some(1), at(30)),
            "a new reason is news"
        );
        assert_eq!(conditions[0].last_transition_time.0, at(10));
        let done = Say::new(Type::Ready, true, Reason::Succeeded, "");
        assert!(set(&mut conditions, &done, Some(2), at(40)));
        assert_eq!(conditions[0].last_transition_time.0, at(40));
        assert_eq!(conditions[0].observed_generation, Some(2));
        assert_eq!(conditions.len(), 1);
    }

    #[test]
    fn setting_what_is_already_so_changes_nothing() {
        let mut conditions = Vec::new();
        for type_ in Type::ALL.iter().rev() {
            let say = Say::new(*type_, true, Reason::Succeeded, "as it should be");
            set(&mut conditions, &say, Some(3), at(10));
        }
        let before = conditions.clone();
        for type_ in Type::ALL {
            let say = Say::new(*type_, true, Reason::Succeeded, "as it should be");
            assert!(!set(&mut conditions, &say, Some(3), at(99)));
        }
        assert_eq!(conditions, before);
        assert_eq!(conditions[0].type_, "Ready", "the order is ours");
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let mut conditions = Vec::new();
        let say = Say::new(Type::Ready, false, Reason::Unknown, "ä".repeat(MESSAGE_MAX));
        set(&mut conditions, &say, None, at(1));
        assert_eq!(conditions[0].message.len(), MESSAGE_MAX);
        assert!(unset(&mut conditions, Type::Ready));
        assert!(find(&conditions, Type::Ready).is_none());
        assert!(!is_true(&conditions, Type::Ready));
    }
}
