# Sourced by cluster.sh: containerd, kubelet, and the images that pods run.
# shellcheck shell=bash

start_containerd() {
  mkdir -p "$run/cni"
  # The API server refuses loopback addresses of pods, so they sit on a bridge.
  cat >"$run/cni/10-bridge.conflist" <<C
{"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "pods0", "isGateway": true, "hairpinMode": true,
 "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
C
  # /run/containerd is the cluster's own: see init.sh.
  cat >"$run/containerd.toml" <<C
version = 3
root = "$run/containerd"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "cutwater.test/pause:1"
[plugins."io.containerd.cri.v1.runtime"]
  # In a container, root may not lower it, and runc would fail.
  restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["/usr/lib/cni"]
  conf_dir = "$run/cni"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
    SystemdCgroup = false
C
  start containerd containerd --config "$run/containerd.toml"
}

c() { within "$tools/ctr" --namespace k8s.io "$@" 2>>"$run/ctr.log"; }

build_images() {
  local program architecture
  architecture=$(go env GOARCH)
  mkdir -p "$run/images"
  : >"$run/images/list"
  for program in pause app; do
    (cd "$here/image" && CGO_ENABLED=0 GOWORK=off go build -trimpath -buildvcs=false -ldflags "-s -w -buildid=" -o "$run/images/$program" "./$program")
    python3 "$here/image.py" "$run/images/$program" "cutwater.test/$program:1" "$architecture" "$run/images/$program.tar" >>"$run/images/list"
  done
}

import_images() {
  local image
  await "containerd" 30 containerd c version
  while read -r image; do
    local tag=${image%@*}:1
    c images import "$run/images/$(basename "${image%@*}").tar" >/dev/null
    # A pod that names it by digest must find it under that name too.
    c images tag --force "$tag" "$image" >/dev/null
  done <"$run/images/list"
}

start_kubelet() {
  cat >"$run/kubelet.yaml" <<C
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
failSwapOn: false
enforceNodeAllocatable: []
evictionHard: {nodefs.available: "1%", imagefs.available: "1%"}
imageGCHighThresholdPercent: 100
localStorageCapacityIsolation: false
podLogsDir: $run/pods
resolvConf: ""
maxPods: 500
registryPullQPS: 0
serializeImagePulls: false
kubeAPIQPS: 200
kubeAPIBurst: 400
C
  start kubelet kubelet --config="$run/kubelet.yaml" --kubeconfig="$run/admin.kubeconfig" --root-dir="$run/kubelet" \
    --hostname-override=node1 --node-ip="$address"
  await "the node" 60 kubelet k wait --for=condition=Ready node/node1 --timeout=1s
}
