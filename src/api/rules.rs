//! What may stand in a field of the custom resources, as schemas and CEL rules for the API server. What fields mean together is in
//! [`super::specs`].
//!
//! Every refusal says what to change. Each string and list has a limit, because the API server bounds what a rule may
//! cost by them. Objects can be written past the schema, so [`super::wanted`] checks again whatever a later stage relies on.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// One rule: an expression that must be true of `self`, and what to say where it is not.
pub(super) fn rule(expression: &str, message: &str) -> Value {
    json!({"rule": expression, "message": message})
}

/// A rule over several fields that reports at one of them.
pub(super) fn rule_at(field: &str, expression: &str, message: &str) -> Value {
    json!({"rule": expression, "message": message, "fieldPath": field})
}

/// A string of at most `max` characters under rules.
pub(super) fn text(max: usize, rules: &[Value]) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": max, "x-kubernetes-validations": rules})
}

/// A DNS label under a name of its own in the message.
pub(super) fn dns_label(what: &str, max: usize) -> Value {
    rule(
        "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        &format!(
            "{what} is at most {max} lower-case letters, digits and dashes, with no dash at either end"
        ),
    )
}

/// No part that reads as a version, so that names of workloads can be read in one way only.
pub(super) fn no_version_inside(what: &str) -> Value {
    rule(
        "!self.matches('(^|-)v[0-9]+(-|$)')",
        &format!(
            "{what} must not hold a part that reads as a version, such as `v1`; choose a name without it"
        ),
    )
}

/// Two words that surely name one version have one spelling: 8 and v8, hex digits in either case.
pub(super) fn same_spelling(word: &str) -> String {
    format!(
        "(string({word}).matches('^v[0-9]+$') ? string({word}).substring(1) : \
         string({word}).matches('^g[0-9a-fA-F]+$') ? string({word}).lowerAscii() : string({word}))"
    )
}

/// A length of time between two bounds.
pub(super) fn period(least: &str, most: &str) -> Schema {
    text(
        24,
        &[rule(
            &format!(
                "self.matches('^([0-9]{{1,8}}h)?([0-9]{{1,8}}m)?([0-9]{{1,8}}s)?$') \
                 && duration(self) >= duration('{least}') && duration(self) <= duration('{most}')"
            ),
            &format!(
                "a length of time goes from {least} to {most} and is written in hours, minutes and seconds, such as 30s, 5m or 1h30m"
            ),
        )],
    )
}

/// How often a repository is read.
pub(super) fn interval(_: &mut SchemaGenerator) -> Schema {
    period("5s", "24h")
}

/// How long a change may make no progress.
pub(super) fn progress_deadline(_: &mut SchemaGenerator) -> Schema {
    let mut schema = period("10s", "8760h");
    schema.insert("default".to_owned(), json!("10m"));
    schema
}

/// What is said of a hostname that is none.
const NO_HOSTNAME: &str = "a hostname is lower-case letters, digits, dashes and dots, with no port and no scheme, such as shop.example.com or *.example.com";
/// What is said of an address.
const NO_ADDRESS: &str = "a hostname is not an IP address; use a name, such as shop.example.com";

/// Why a text is no hostname, as the schema says it.
pub(super) fn no_hostname(text: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |label: &str| {
        label.starts_with(plain)
            && label.ends_with(plain)
            && label.chars().all(|c| plain(c) || c == '-')
    };
    let name = text.strip_prefix("*.").unwrap_or(text);
    if text.len() > 253 || !name.split('.').all(label) {
        return Some(NO_HOSTNAME);
    }
    (text.chars().all(|c| c.is_ascii_digit() || c == '.')).then_some(NO_ADDRESS)
}

/// The hostnames of a route.
pub(super) fn hostnames(_: &mut SchemaGenerator) -> Schema {
    let mut one = text(
        253,
        &[
            rule(
                r"self.matches('^(\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
                NO_HOSTNAME,
            ),
            rule(r"!self.matches('^[0-9.]+$')", NO_ADDRESS),
        ],
    );
    one.insert(
        "description".to_owned(),
        json!("One hostname, such as shop.example.com or *.example.com."),
    );
    json_schema!({
        "type": "array", "minItems": 1, "maxItems": 16, "x-kubernetes-list-type": "set", "items": one,
    })
}

/// The path of a route: what the Gateway API takes as a prefix.
pub(super) fn path(_: &mut SchemaGenerator) -> Schema {
    text(
        1024,
        &[
            rule(
                "self.startsWith('/')",
                "a path starts with a slash; write one in front of it",
            ),
            rule(
                "!self.contains('?') && !self.contains('#')",
                "a path holds no query and no fragment; leave out what begins with `?` or `#`",
            ),
            rule(
                "!self.contains('//') && !self.contains('/./') && !self.contains('/../') \
                 && !self.endsWith('/.') && !self.endsWith('/..') && !self.lowerAscii().contains('%2f')",
                "a path holds no `//`, `/./`, `/../` or `%2f`; write it without them",
            ),
            rule(
                r#"!self.startsWith('/') || self.contains('?') || self.contains('#') || self.matches("^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+$")"#,
                "a path holds letters, digits and -/._~!$&'()*+,;=:@ only; write other characters as % and two hex digits",
            ),
            rule(
                "!self.startsWith('/.well-known/cutwater')",
                "paths below /.well-known/cutwater are taken; choose another one",
            ),
        ],
    )
}

/// The name of a Kubernetes object.
pub(super) fn object_name(_: &mut SchemaGenerator) -> Schema {
    text(
        253,
        &[rule(
            r"self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
            "the name of an object is lower-case letters, digits, dashes and dots, and begins and ends with a letter or a digit",
        )],
    )
}

/// A namespace.
pub(super) fn namespace(_: &mut SchemaGenerator) -> Schema {
    text(63, &[dns_label("a namespace", 63)])
}

/// A listener of a Gateway.
pub(super) fn listener_name(generator: &mut SchemaGenerator) -> Schema {
    object_name(generator)
}

/// A key in a Secret.
pub(super) fn secret_key(_: &mut SchemaGenerator) -> Schema {
    text(
        253,
        &[rule(
            "self.matches('^[-._a-zA-Z0-9]+$')",
            "a key of a Secret is letters, digits, `-`, `_` and `.`",
        )],
    )
}

/// The name of a request header.
pub(super) fn header_name(_: &mut SchemaGenerator) -> Schema {
    text(
        128,
        &[
            rule(
                "self.matches('^[A-Za-z0-9_-]+$')",
                "the name of a header is letters, digits, `-` and `_`, without the colon",
            ),
            rule(
                "!self.lowerAscii().startsWith('cutwater-version-')",
                "headers that begin with Cutwater-Version- name a version; choose another header",
            ),
        ],
    )
}

/// The name of a cookie.
pub(super) fn cookie_name(_: &mut SchemaGenerator) -> Schema {
    text(
        128,
        &[rule(
            "self.matches('^[A-Za-z0-9_.-]+$')",
            "the name of a cookie is letters, digits, `-`, `_` and `.`",
        )],
    )
}

/// Words of a person.
pub(super) fn message(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 1024})
}

/// The address of a repository.
pub(super) fn url(_: &mut SchemaGenerator) -> Schema {
    text(
        2048,
        &[
            rule(
                r"self.matches('^(https?://[^/]+|ssh://[^/]+/.|file:///.|/.|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:.)')",
                "an address is https://host/path, ssh://user@host/path or user@host:path (http://host/path, file:///path and /path only where the controller allows them)",
            ),
            rule(
                r"!self.matches('^[a-z]+://[^/@]*:[^/@]*@') && !self.matches('^https?://[^/]*@')",
                "an address holds no password, token or user name for http or https; put them into the Secret of secretRef",
            ),
            rule(
                r"!self.matches('[[:space:][:cntrl:]]')",
                "an address holds no spaces and no line breaks; remove them",
            ),
        ],
    )
}

/// A branch.
pub(super) fn branch(_: &mut SchemaGenerator) -> Schema {
    text(
        244,
        &[rule(
            "self.matches('^[A-Za-z0-9_][A-Za-z0-9._/+@-]*$') && !self.contains('..') && !self.contains('//') \
             && !self.contains('@{') && !self.contains('/.') && !self.endsWith('/') && !self.endsWith('.') \
             && !self.endsWith('.lock') && !self.startsWith('refs/')",
            "write the name of the branch alone, such as main or release/2026, as git would take it",
        )],
    )
}

/// A path in the repository.
pub(super) fn releases(_: &mut SchemaGenerator) -> Schema {
    text(
        1024,
        &[rule(
            "!self.startsWith('/') && !self.endsWith('/') && self.split('/').all(p, p != '' && p != '.' && p != '..' && p != '.git')",
            "a path in the repository is written without a slash at either end and without `.`, `..` and `.git` in it, such as releases/prod",
        )],
    )
}

/// A field that other tools write and Cutwater ignores: anything goes.
pub(super) fn ignored(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"x-kubernetes-preserve-unknown-fields": true})
}

/// Conditions, one of each type.
pub(super) fn conditions(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<Vec<Condition>>();
    schema.insert("x-kubernetes-list-type".to_owned(), json!("map"));
    schema.insert("x-kubernetes-list-map-keys".to_owned(), json!(["type"]));
    schema
}

/// A mode `key` is the only one with a header and a Secret, and it has both.
pub(super) fn override_parts() -> Value {
    json!([
        rule(
            "self.mode != 'key' || (has(self.header) && has(self.secretRef))",
            "mode `key` needs both `header` (the header that holds the key) and `secretRef` (the Secret that knows it)"
        ),
        rule(
            "self.mode == 'key' || (!has(self.header) && !has(self.secretRef))",
            "`header` and `secretRef` count in mode `key` only; set `mode: key`, or leave them out"
        ),
    ])
}

/// One kind of key.
pub(super) fn affinity_one() -> Value {
    json!([rule(
        "has(self.header) != has(self.cookie)",
        "set exactly one of `header` and `cookie`"
    )])
}
