# Sourced by cluster.sh: etcd, kube-apiserver, kube-controller-manager and kube-scheduler.
# shellcheck shell=bash

write_kubeconfig() { # user
  cat >"$run/$1.kubeconfig" <<K
apiVersion: v1
kind: Config
clusters: [{name: e2e, cluster: {server: "https://127.0.0.1:6443", certificate-authority: "$run/pki/api/apiserver.crt"}}]
users: [{name: $1, user: {token: "$1"}}]
contexts: [{name: e2e, context: {cluster: e2e, user: $1}}]
current-context: e2e
K
}

install_types() { # directory...
  local directory
  for directory in "$@"; do
    if [[ -d $directory ]]; then k apply --server-side --force-conflicts -f "$directory/" >/dev/null; fi
  done
  k wait --for=condition=Established crd --all --timeout=30s >/dev/null
}

start_control_plane() {
  mkdir -p "$run/pki"
  openssl genrsa -out "$run/pki/sa.key" 2048 2>/dev/null
  # The controller is a user of its own, so that the audit log tells its requests from the tests' and the kubelet's.
  printf '%s\n' admin,admin,admin,system:masters cutwater,cutwater,cutwater >"$run/pki/tokens.csv"
  write_kubeconfig admin
  write_kubeconfig cutwater
  cat >"$run/audit-policy.yaml" <<'C'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
C
  start etcd etcd --data-dir "$run/etcd" --unsafe-no-fsync --log-level=warn
  start kube-apiserver kube-apiserver --etcd-servers=http://127.0.0.1:2379 --bind-address=127.0.0.1 --advertise-address="$address" \
    --cert-dir="$run/pki/api" --service-account-issuer=https://kubernetes.default.svc \
    --service-account-key-file="$run/pki/sa.key" --service-account-signing-key-file="$run/pki/sa.key" \
    --token-auth-file="$run/pki/tokens.csv" --authorization-mode=Node,RBAC --service-cluster-ip-range=10.96.0.0/16 \
    --audit-policy-file="$run/audit-policy.yaml" --audit-log-path="$run/audit.log" --audit-log-mode=blocking-strict
  await "kube-apiserver" 60 kube-apiserver k get --raw=/readyz
  # Types come first: the garbage collector looks for new ones only twice a minute.
  install_types "$tools/gateway-api/standard" "$here/../../crds"
  start kube-controller-manager kube-controller-manager --kubeconfig="$run/admin.kubeconfig" --leader-elect=false --secure-port=0 \
    --service-account-private-key-file="$run/pki/sa.key" --root-ca-file="$run/pki/api/apiserver.crt" \
    --horizontal-pod-autoscaler-sync-period=1s --kube-api-qps=500 --kube-api-burst=1000
  start kube-scheduler kube-scheduler --kubeconfig="$run/admin.kubeconfig" --leader-elect=false --secure-port=0 \
    --kube-api-qps=500 --kube-api-burst=1000
  k create clusterrolebinding cutwater --clusterrole=cluster-admin --user=cutwater >/dev/null
}
