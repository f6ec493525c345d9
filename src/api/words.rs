//! Schemas of the words: the same limits that the types in [`crate::words`] have, for the API server.
//!
//! A test gives both the same good and bad words.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::rules::{dns_label, no_version_inside, period, rule, text};
use crate::words::{
    AliasName, AppName, CommitId, EnvironmentName, FunctionName, Label, Period, RouteName, Share,
    TreeId, VersionNumber, VersionWord,
};

/// The schema of a word type, under the type's own name.
macro_rules! word_schema {
    ($($word:ident => $schema:expr;)*) => {$(
        impl JsonSchema for $word {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($word).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}
word_schema! {
    AppName => text(30, &[dns_label("an app name", 30), no_version_inside("an app name")]);
    FunctionName => text(15, &[dns_label("a function name", 15), no_version_inside("a function name")]);
    RouteName => text(30, &[dns_label("a route name", 30)]);
    EnvironmentName => text(63, &[dns_label("an environment name", 63)]);
    AliasName => text(128, &[
        rule("self.matches('^[a-zA-Z_][a-zA-Z0-9_-]*$')",
            "an alias name is a letter or `_`, then at most 127 letters, digits, `_` and `-`"),
        rule("self != 'LATEST'", "`LATEST` is the tracked branch itself; choose another name for the alias"),
    ]);
    Label => json_schema!({"type": "string", "maxLength": 63, "pattern": "^[A-Za-z][A-Za-z0-9._-]*$"});
    VersionWord => version();
    VersionNumber => json_schema!({"type": "integer", "format": "int32", "minimum": 1, "maximum": 9_999_999});
    Share => json_schema!({"type": "number", "minimum": 0, "maximum": 100, "x-kubernetes-validations": [
        // Division of two exact numbers rounds to the double that the decimal text rounds to, so this is exact.
        rule("self < 0.0 || self > 100.0 || self == double(int(self * 100.0 + 0.5)) / 100.0",
            "a percentage has at most two decimals, such as 12.5 or 14.29; round it"),
    ]});
    // Only this program writes them, and it adds no rule for those who read them.
    CommitId => json_schema!({"type": "string"});
    TreeId => json_schema!({"type": "string"});
    Period => period("0s", "8760h");
}

/// A number, an id or a label. The form is the one of `VersionWord`.
fn version() -> Schema {
    json_schema!({"x-kubernetes-int-or-string": true, "maxLength": 63, "x-kubernetes-validations": [
        rule("type(self) == string || (self >= 1 && self <= 9999999)",
            "a version number goes from 1 to 9999999; an id begins with `g`"),
        rule("type(self) == int || self != 'LATEST'",
            "`LATEST` is the tracked branch and changes with it; publish, and name the version by number (8), id or label"),
        rule("type(self) == int || self == 'LATEST' || self.matches('^v?[1-9][0-9]{0,6}$') \
              || self.matches('^g[0-9a-fA-F]{7,40}$') \
              || (self.matches('^[a-zA-Z][a-zA-Z0-9._-]*$') && !self.matches('^v[0-9]+$') \
                  && !self.matches('^g[0-9a-fA-F]+$') && !self.contains('..') && !self.endsWith('.') \
                  && !self.lowerAscii().endsWith('.lock'))",
            "a version is a number (8 or v8), an id (g and 7 to 40 hex digits), or a label (a letter, then letters, digits, `.`, `_` and `-`)"),
    ]})
}
