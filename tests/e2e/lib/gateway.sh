# Sourced by cluster.sh: Envoy Gateway and Envoy, and the Gateway `web` in `default`.
#
# Envoy Gateway runs in its host mode: it watches the API server and keeps Envoy as a child process. In that mode a
# Gateway never becomes Programmed; its routes do become Accepted.
# shellcheck shell=bash

start_gateway() {
  local eg=$run/envoy-gateway secret
  install_types "$tools/envoy-gateway-crds"
  mkdir -p "$eg/data/envoy-versions/1.40.0/bin"
  ln -sfn "$(readlink -f "$tools/envoy")" "$eg/data/envoy-versions/1.40.0/bin/envoy"
  "$tools/envoy-gateway" certgen --local --config-home "$eg/config" >"$run/certgen.log" 2>&1 || { cat "$run/certgen.log" >&2; fail "the gateway's keys could not be made"; }
  k create namespace envoy-gateway-system >/dev/null
  for secret in envoy envoy-gateway; do
    k -n envoy-gateway-system create secret generic "$secret" --type=kubernetes.io/tls --from-file="$eg/config/certs/$secret" >/dev/null
  done
  k -n envoy-gateway-system create secret generic envoy-oidc-hmac --from-file="$eg/config/certs/envoy-oidc-hmac/hmac-secret" >/dev/null
  cat >"$run/envoy-gateway.yaml" <<C
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyGateway
gateway: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
provider:
  type: Custom
  custom:
    resource: {type: Kubernetes, kubernetes: {}}
    infrastructure: {type: Host, host: {configHome: $eg/config, dataHome: $eg/data, stateHome: $eg/state, runtimeDir: $eg/run}}
C
  k apply --server-side -f - >/dev/null <<C
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: envoy}
spec:
  controllerName: gateway.envoyproxy.io/gatewayclass-controller
  parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: host, namespace: envoy-gateway-system}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {name: host, namespace: envoy-gateway-system}
spec: {provider: {type: Host, host: {envoyVersion: 1.40.0}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: default}
spec:
  gatewayClassName: envoy
  addresses: [{type: IPAddress, value: $address}]
  listeners: [{name: http, protocol: HTTP, port: $gateway_port, allowedRoutes: {namespaces: {from: All}}}]
C
  KUBECONFIG=$run/admin.kubeconfig start envoy-gateway envoy-gateway server --config-path "$run/envoy-gateway.yaml"
  await "Envoy on port $gateway_port" 60 envoy-gateway inside bash -c "exec 3<>/dev/tcp/$address/$gateway_port"
}
