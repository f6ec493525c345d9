//! Which function of a version a route reaches.
//!
//! Pure. One rule for the cluster, for one machine, and for the commands that write releases.

use super::NamedRoute;
use crate::app::Function;
use crate::words::{FunctionName, VersionNumber};

/// The function that a route reaches in a version with these functions.
///
/// # Errors
/// Which one the version does not have, or that the route does not say which.
pub fn function_of(
    route: &NamedRoute,
    version: VersionNumber,
    functions: &[Function],
) -> Result<FunctionName, String> {
    let names = || {
        let names: Vec<&str> = functions.iter().map(|f| f.name.as_str()).collect();
        names.join(", ")
    };
    match (&route.route.function, functions) {
        (Some(name), _) if functions.iter().any(|function| function.name == *name) => {
            Ok(name.clone())
        }
        (Some(name), _) => Err(format!(
            "route `{}` wants function `{name}`, which {version} does not have; it has {}",
            route.name,
            names()
        )),
        (None, [only]) => Ok(only.name.clone()),
        (None, _) => Err(format!(
            "route `{}` does not say which function answers, and {version} has several: {}",
            route.name,
            names()
        )),
    }
}

/// Each version must have the functions that the routes reach, and a route reaches the same one in all of them.
///
/// # Errors
/// What stands against it.
pub fn reachable(
    routes: &[NamedRoute],
    versions: &[(VersionNumber, &[Function])],
) -> Result<(), String> {
    for named in routes {
        let mut reached: Option<(VersionNumber, FunctionName)> = None;
        for (number, functions) in versions {
            let function = function_of(named, *number, functions)?;
            if let Some((first, other)) = reached.as_ref().filter(|(_, other)| *other != function) {
                return Err(format!(
                    "route `{}` would reach `{other}` in {first} and `{function}` in {number}; name one function that both have",
                    named.name
                ));
            }
            reached = Some((*number, function));
        }
    }
    Ok(())
}
