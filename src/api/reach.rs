//! Which function of a version a route reaches.
//!
//! Pure. One rule for the cluster, for one machine, and for the commands that write releases.

use super::NamedRoute;
use crate::app::Function;
use crate::words::{FunctionName, RouteName, VersionNumber};

/// Why a route does not reach a function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// A version does not have it.
    #[error(
        "route `{route}` wants function `{function}`, which {version} does not have; it has {}",
        list(there)
    )]
    Missing {
        /// The route.
        route: RouteName,
        /// The function that it names.
        function: FunctionName,
        /// The version.
        version: VersionNumber,
        /// The functions that the version has.
        there: Vec<FunctionName>,
    },
    /// It names none, and a version has not just one.
    #[error(
        "route `{route}` does not say which function answers, and {version} has several: {}",
        list(there)
    )]
    Unnamed {
        /// The route.
        route: RouteName,
        /// The version.
        version: VersionNumber,
        /// The functions that the version has.
        there: Vec<FunctionName>,
    },
    /// It names none, and two versions have one each that are not called the same.
    #[error(
        "route `{route}` would reach `{}` in {} and `{}` in {}; name one function that both have",
        one.1, one.0, other.1, other.0
    )]
    Differs {
        /// The route.
        route: RouteName,
        /// A version and its function.
        one: (VersionNumber, FunctionName),
        /// The other version and its function.
        other: (VersionNumber, FunctionName),
    },
}

fn list(functions: &[FunctionName]) -> String {
    let names: Vec<&str> = functions.iter().map(FunctionName::as_str).collect();
    names.join(", ")
}

/// The function that a route reaches in a version with these functions.
///
/// # Errors
/// Which one the version does not have, or that the route does not say which.
pub fn function_of(
    route: &NamedRoute,
    version: VersionNumber,
    functions: &[Function],
) -> Result<FunctionName, Unreachable> {
    let there = || functions.iter().map(|it| it.name.clone()).collect();
    match (&route.route.function, functions) {
        (Some(name), _) if functions.iter().any(|function| function.name == *name) => {
            Ok(name.clone())
        }
        (Some(name), _) => Err(Unreachable::Missing {
            route: route.name.clone(),
            function: name.clone(),
            version,
            there: there(),
        }),
        (None, [only]) => Ok(only.name.clone()),
        (None, _) => Err(Unreachable::Unnamed {
            route: route.name.clone(),
            version,
            there: there(),
        }),
    }
}

/// Each version must have the functions that the routes reach, and a route reaches the same one in all of them.
///
/// # Errors
/// What stands against it.
pub fn reachable(
    routes: &[NamedRoute],
    versions: &[(VersionNumber, &[Function])],
) -> Result<(), Unreachable> {
    for named in routes {
        let mut reached: Option<(VersionNumber, FunctionName)> = None;
        for (number, functions) in versions {
            let function = function_of(named, *number, functions)?;
            if let Some(one) = reached.filter(|(_, other)| *other != function) {
                return Err(Unreachable::Differs {
                    route: named.name.clone(),
                    one,
                    other: (*number, function),
                });
            }
            reached = Some((*number, function));
        }
    }
    Ok(())
}
