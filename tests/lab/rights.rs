//! The rights that the documentation gives the controller, and no others.

use crate::support::ApiServer;
use crate::support::apiserver::succeed;
use crate::support::tools::checkout;

/// The ClusterRole of the documentation.
pub fn documented() -> String {
    let page = std::fs::read_to_string(checkout().join("docs/controller.md")).unwrap();
    let role = (page.split("```yaml\n")).find(|part| part.contains("kind: ClusterRole\n"));
    let role = role.and_then(|part| part.split("```").next());
    role.expect("docs/controller.md has a ClusterRole")
        .to_owned()
}

/// Makes them the rights of the controller's user, without the rules that `keep` refuses by their text.
pub fn grant(server: &ApiServer, keep: impl Fn(&str) -> bool) {
    let role = documented();
    let mut parts = role.split("  - apiGroups:");
    let mut role = parts.next().unwrap().to_owned();
    for rule in parts.filter(|rule| keep(rule)) {
        role.push_str("  - apiGroups:");
        role.push_str(rule);
    }
    let binding = "\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: documented}\n\
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cutwater}\n\
        subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: cutwater}]\n";
    let file = server.directory().join("rights.yaml");
    std::fs::write(&file, role + binding).unwrap();
    let file = file.to_string_lossy();
    succeed(server.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &file]));
    // It may do everything in tests of the server itself.
    succeed(server.kubectl(&[
        "delete",
        "clusterrolebinding",
        "cutwater",
        "--ignore-not-found",
    ]));
}
