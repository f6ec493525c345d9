//! Since when owners give up hostnames that their routes still have, as far as this program has seen it.
//!
//! Two objects that are applied together are seen one after the other: who gives a hostname up waits a moment for who asks for it.

use std::collections::HashMap;

use jiff::SignedDuration;
use parking_lot::Mutex;

use super::key::AppKey;
use super::moment::Moment;

/// Since when, by route and hostname.
type Since = HashMap<(String, String), Moment>;

/// The hostnames that the routes of apps are to lose.
#[derive(Debug, Default)]
pub(super) struct GivingUp {
    since: Mutex<HashMap<AppKey, Since>>,
}

impl GivingUp {
    /// Begins to look at an app: what is not asked for until [`Self::end`] is not given up any more.
    pub(super) fn begin(&self, key: &AppKey) -> Looked {
        let before = self.since.lock().remove(key).unwrap_or_default();
        Looked {
            before,
            now: Mutex::default(),
        }
    }

    /// Keeps what was asked for.
    pub(super) fn end(&self, key: &AppKey, looked: Looked) {
        let now = looked.now.into_inner();
        if !now.is_empty() {
            self.since.lock().insert(key.clone(), now);
        }
    }
}

/// One look at an app.
pub(super) struct Looked {
    before: Since,
    now: Mutex<Since>,
}

impl Looked {
    /// For how long a route has been giving up a hostname.
    pub(super) fn age(&self, route: &str, hostname: &str) -> SignedDuration {
        let place = (route.to_owned(), hostname.to_owned());
        let since = self.before.get(&place).copied();
        let since = since.unwrap_or_else(Moment::now);
        let age = since.age();
        self.now.lock().insert(place, since);
        age
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_from_the_first_look_without_one_in_between() {
        let key = AppKey {
            namespace: "prod".to_owned(),
            app: "shop".parse().unwrap(),
        };
        let all = GivingUp::default();
        let looks = |hostname: Option<&str>| {
            let looked = all.begin(&key);
            let age = hostname.map(|hostname| looked.age("shop.main", hostname));
            all.end(&key, looked);
            age.unwrap_or_default()
        };
        let first = looks(Some("a.test"));
        let second = looks(Some("a.test"));
        assert!(second > first, "{first:?} {second:?}");
        assert!(looks(Some("b.test")) < second);
        let third = looks(Some("a.test"));
        assert!(third < second, "it was not given up in between");
        looks(None);
        assert!(all.since.lock().is_empty());
    }
}
