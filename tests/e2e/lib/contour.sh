# Sourced by cluster.sh: Contour with an Envoy of its own, and the Gateway `contour` in `default`.
#
# A second implementation beside Envoy Gateway, and another kind of it: Contour sends routes, clusters and endpoints in streams
# of their own, in no order, where Envoy Gateway sends them in one.
# shellcheck shell=bash

start_contour() {
  local dir=$run/contour xds=28001
  mkdir -p "$dir/dynamic"
  k apply --server-side -f "$tools/contour-crds/01-crds.yaml" >/dev/null
  k wait --for=condition=Established crd --all --timeout=30s >/dev/null
  k create namespace projectcontour >/dev/null
  # Contour's Envoy listens at the port of the listener and 8000.
  k apply --server-side -f - >/dev/null <<C
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: contour}
spec: {controllerName: projectcontour.io/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: contour, namespace: default}
spec:
  gatewayClassName: contour
  listeners: [{name: http, protocol: HTTP, port: $((contour_port - 8000)), allowedRoutes: {namespaces: {from: All}}}]
C
  cat >"$dir/contour.yaml" <<C
gateway: {gatewayRef: {namespace: default, name: contour}}
accesslog-format: envoy
C
  # The features that are off are kinds of the Gateway API that its standard channel lacks.
  start contour contour serve --no-incluster --kubeconfig="$run/admin.kubeconfig" --config-path="$dir/contour.yaml" --insecure \
    --xds-address=127.0.0.1 --xds-port="$xds" --http-address=127.0.0.1 --http-port=28002 --health-address=127.0.0.1 \
    --health-port=28003 --debug-http-address=127.0.0.1 --debug-http-port=28004 --stats-address=127.0.0.1 --stats-port=28005 \
    --disable-leader-election --disable-feature=extensionservices --disable-feature=tlsroutes --disable-feature=grpcroutes \
    --disable-feature=tcproutes --disable-feature=backendtlspolicies
  "$tools/contour" bootstrap "$dir/envoy.json" --admin-address="$dir/admin.sock" --xds-address=127.0.0.1 --xds-port="$xds" \
    --resources-dir="$dir/dynamic" >"$run/contour-bootstrap.log" 2>&1 || { cat "$run/contour-bootstrap.log" >&2; fail "Envoy could not be set up for Contour"; }
  start contour-envoy envoy -c "$dir/envoy.json" --service-cluster projectcontour --service-node contour --log-level warning \
    --concurrency 2 --base-id 77
  # It opens its port when the first route is there.
  await "Contour's Gateway" 60 contour k wait --for=condition=Programmed --timeout=1s -n default gateway/contour
}
