#!/bin/sh
# First process of a pod, started by pod.ts in new mount, PID, IPC and UTS namespaces: gives it the root file system and
# the rights that its manifest says, and becomes its program.
#
# usage: pod.sh DIR ROOTFS UID:GID COMMAND…    DIR/mounts has a line for each volume: `tmpfs SIZE TARGET` or
#                                              `secret DIRECTORY TARGET`
set -eu
dir=$1 rootfs=$2 user=$3
shift 3
root=$dir/mount
mkdir -p "$root" "$dir/upper" "$dir/work"
# Mount points that the image lacks are made, and not in the image: so do container runtimes.
mount -t overlay -o "lowerdir=$rootfs,upperdir=$dir/upper,workdir=$dir/work" root "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=0755,size=1m dev "$root/dev"
for node in null zero full random urandom; do
  : >"$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
ln -s /proc/self/fd "$root/dev/fd"
while read -r kind source target; do
  # Links in there, as /var/run, are meant from there.
  target=$(chroot "$root" realpath -m "$target")
  mkdir -p "$root$target"
  case $kind in
    # As the kubelet does for fsGroup.
    tmpfs) mount -t tmpfs -o "mode=2770,gid=${user#*:},size=$source" work "$root$target" ;;
    secret) mount --bind -o ro "$source" "$root$target" ;;
  esac
done <"$dir/mounts"
mount -o remount,ro "$root"
hostname "$(cat "$dir/hostname")"
# It ends with its parent, as that does with the test.
exec chroot "$root" setpriv --pdeathsig=KILL --reuid="${user%:*}" --regid="${user#*:}" --clear-groups --no-new-privs \
  --bounding-set=-all --inh-caps=-all -- "$@"
