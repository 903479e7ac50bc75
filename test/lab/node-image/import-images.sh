#!/bin/sh
# import-images.sh ROOT ARCHIVE: puts the container images of the archive into the containerd of the root tree, by that containerd itself:
# 15 s here, a minute for each image in an emulated guest. Run it as `unshare --mount --pid --fork --kill-child`: all that it mounts and
# starts ends with it.
set -eu
root=$1
archive=$2

mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --bind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
touch "$root/tmp/images.tar"
mount --bind "$archive" "$root/tmp/images.tar"

# The kubelet's part of containerd wants a running machine.
printf 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n' >"$root/tmp/containerd.toml"
chroot "$root" containerd --log-level warn --config /tmp/containerd.toml >&2 &
containerd=$!
tries=0
until [ -S "$root/run/containerd/containerd.sock" ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 300 ] || { echo 'containerd does not start' >&2; exit 1; }
  sleep 0.1
done
chroot "$root" ctr --namespace k8s.io images import --snapshotter overlayfs /tmp/images.tar
kill "$containerd"
wait "$containerd" || true
