#!/usr/bin/env bash
# Proves the cluster itself, without Cutwater: two versions of the test application behind one HTTPRoute at 90/10.
#
#   tests/e2e/cluster.sh sh tests/e2e/smoke.sh IMAGE
#
# It runs inside the cluster's network, in a namespace `smoke` that it makes and deletes.
set -euo pipefail
image=$1
gateway=${CUTWATER_E2E_GATEWAY:-10.99.0.1:18080}
requests=500

kubectl create namespace smoke >/dev/null
trap 'kubectl delete namespace smoke --wait=false >/dev/null' EXIT
kubectl label namespace smoke pod-security.kubernetes.io/enforce=restricted >/dev/null
kubectl -n smoke create configmap files --from-literal=hello.txt=hello >/dev/null
for version in 7 8; do
  kubectl -n smoke apply -f - >/dev/null <<YAML
apiVersion: apps/v1
kind: Deployment
metadata: {name: app-v$version}
spec:
  replicas: 2
  selector: {matchLabels: {app: app, version: v$version}}
  template:
    metadata: {labels: {app: app, version: v$version}}
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: app
        image: $image
        env:
        - {name: CUTWATER_APP, value: app}
        - {name: CUTWATER_VERSION, value: "$version"}
        - {name: PORT, value: "8080"}
        ports: [{containerPort: 8080}]
        readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}
        securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
        volumeMounts: [{name: files, mountPath: /app/public, readOnly: true}]
      volumes: [{name: files, configMap: {name: files}}]
---
apiVersion: v1
kind: Service
metadata: {name: app-v$version}
spec:
  selector: {app: app, version: v$version}
  ports: [{port: 80, targetPort: 8080}]
YAML
done
kubectl -n smoke apply -f - >/dev/null <<'YAML'
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: app}
spec:
  parentRefs: [{name: web, namespace: default}]
  hostnames: [smoke.test]
  rules:
  - backendRefs:
    - {name: app-v7, port: 80, weight: 9000}
    - {name: app-v8, port: 80, weight: 1000}
YAML
kubectl -n smoke wait --for=condition=Available deployment --all --timeout=60s >/dev/null

ask() { curl --silent --show-error --fail --max-time 10 --header 'Host: smoke.test' "http://$gateway$1"; }
# The route follows the pods in some milliseconds; a deadline all the same.
deadline=$((SECONDS + 20))
until ask / >/dev/null 2>&1; do
  ((SECONDS < deadline)) || { echo "smoke: no answer through the gateway" >&2; ask / || exit 1; }
  sleep 0.1
done

ask /env
ask '/files?path=/app/public'
[[ $(ask '/file?path=/app/public/hello.txt') == hello ]]
[[ $(ask '/slow?seconds=0.3' | tail -n 1) == "done" ]]
new=0
for ((i = 0; i < requests; i++)); do
  case $(ask /) in
    *'"version":"8"'*) new=$((new + 1)) ;;
    *'"version":"7"'*) ;;
    *) echo "smoke: an answer of neither version" >&2; exit 1 ;;
  esac
done
echo "smoke: $new of $requests requests met the version that has 10 %"
# Four standard deviations around 50 of 500.
((new >= 23 && new <= 77))
