//! An object as it is sent to the API server: kind, name and the fields that the controller owns.

use std::fmt;

use serde_json::Value;

/// Kinds that the controller makes, in the order in which they are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// v1
    ConfigMap,
    /// v1
    Service,
    /// apps/v1
    Workload,
    /// autoscaling/v2
    Autoscaler,
    /// policy/v1
    DisruptionBudget,
    /// gateway.networking.k8s.io/v1
    HttpRoute,
}

impl Kind {
    /// All kinds, in the order in which they are applied.
    pub const ALL: [Self; 6] = [
        Self::ConfigMap,
        Self::Service,
        Self::Workload,
        Self::Autoscaler,
        Self::DisruptionBudget,
        Self::HttpRoute,
    ];

    /// `apiVersion`, kind and plural name.
    #[must_use]
    pub fn api(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::ConfigMap => ("v1", "ConfigMap", "configmaps"),
            Self::Service => ("v1", "Service", "services"),
            Self::Workload => ("apps/v1", "Deployment", "deployments"),
            Self::Autoscaler => (
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                "horizontalpodautoscalers",
            ),
            Self::DisruptionBudget => ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
            Self::HttpRoute => ("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes"),
        }
    }
}

impl fmt::Display for Kind {
    /// As `deployments.apps` names it: the two kinds called Deployment are never mixed up in a message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (version, kind, _) = self.api();
        match (self, version.split_once('/')) {
            (Self::Workload, Some((group, _))) => write!(f, "{group} {kind}"),
            _ => f.write_str(kind),
        }
    }
}

/// An object to apply: its body holds the fields that the controller owns, and nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The whole body of the server-side apply.
    pub body: Value,
}
