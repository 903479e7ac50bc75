#!/bin/sh
# Builds the root file system of the image without Docker and without a base image: Debian by mmdebstrap, the program from
# this checkout, Node from its npm package, terraform and the provider from this machine. As root, on Debian.
#
#   deploy/image/build-rootfs.sh DIR        DIR must not exist
#
#   TERRAFORM   path of terraform or tofu (default: from PATH)
#   PROVIDER    path of terraform-provider-libvirt_v0.8.3
#   TERRAFORM_SHA256, PROVIDER_SHA256   what the two must have, in hexadecimal digits (default: not checked)
#
# The image's .terraform.lock.hcl has the hash of that provider, and caplv in the image starts no other.
#
# Then `docker build --file deploy/image/Dockerfile.rootfs --tag caplv:0.1.0 DIR`, or
# `tar --create --directory DIR . | docker import --change 'USER 65532' --change 'ENTRYPOINT ["tini","--","caplv"]' - caplv:0.1.0`.
#
# What is slow is kept in ${XDG_CACHE_HOME:-~/.cache}/caplv/image, by content: Debian (2 minutes) and npm packages.
set -eu
umask 022
target=${1:?usage: deploy/image/build-rootfs.sh DIR}
image=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$image/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/caplv/image
terraform=${TERRAFORM:-$(command -v terraform || command -v tofu)}
: "${PROVIDER:?path of terraform-provider-libvirt_v0.8.3}"

# Of a file, if there is something to check it against.
check() { [ -z "$2" ] || echo "$2  $1" | sha256sum --check --strict --quiet >&2; }
say() { echo "image: $*" >&2; }
# Of these files' content.
key() { cat "$@" | sha256sum | cut -c 1-16; }

check "$terraform" "${TERRAFORM_SHA256:-}"
check "$PROVIDER" "${PROVIDER_SHA256:-}"
[ ! -e "$target" ] || { say "$target exists"; exit 1; }
mkdir -p "$cache"
work=$(mktemp -d "$cache/building-XXXXXX")
trap 'rm -rf "$work"' EXIT

debian=$cache/debian-$(key "$image/packages.txt" "$image/prepare.sh").tar
if [ ! -e "$debian" ]; then
  say 'installing Debian (two minutes, once)'
  mmdebstrap --quiet --mode=root --variant=minbase --include="$(paste -sd, "$image/packages.txt")" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook="copy-in $image/prepare.sh /tmp" --customize-hook='chroot "$1" sh /tmp/prepare.sh' \
    bookworm "$work/debian.tar"
  mv "$work/debian.tar" "$debian"
fi

# Without `--omit=dev` there would be ten times as much.
packages=$cache/npm-$(key "$project/package.json" "$project/package-lock.json")
if [ ! -e "$packages" ]; then
  say 'installing npm packages'
  mkdir -p "$work/npm/stacks/provider-libvirt"
  cp "$project/package.json" "$project/package-lock.json" "$work/npm"
  cp "$project/stacks/provider-libvirt/package.json" "$work/npm/stacks/provider-libvirt"
  (cd "$work/npm" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
  mv "$work/npm" "$packages"
fi

node=$cache/node-$(key "$image/node/package.json" "$image/node/package-lock.json")
if [ ! -e "$node" ]; then
  say 'installing Node'
  cp -R "$image/node" "$work/node"
  (cd "$work/node" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
  mv "$work/node" "$node"
fi

root=$work/root
mkdir "$root"
# Devices come with the container.
tar --extract --file "$debian" --directory "$root" --exclude './dev/*'
cp -R "$image/root/." "$root"
cp "$(echo "$node"/node_modules/node-linux-*/bin/node)" "$root/usr/local/bin/node"
cp "$terraform" "$root/usr/local/bin/$(basename "$terraform")"
for registry in registry.terraform.io registry.opentofu.org; do
  mirror=$root/usr/local/share/terraform/plugins/$registry/dmacvicar/libvirt/0.8.3/linux_$(dpkg --print-architecture)
  mkdir -p "$mirror"
  cp "$PROVIDER" "$mirror/terraform-provider-libvirt_v0.8.3"
  # As `terraform providers lock -fs-mirror` writes it.
  hash=$("$root/usr/local/bin/node" "$project/scripts/package-hash.ts" "$mirror")
  printf 'provider "%s" {\n  version = "0.8.3"\n  hashes = [\n    "%s",\n  ]\n}\n' \
    "$registry/dmacvicar/libvirt" "$hash" >>"$root/etc/caplv/.terraform.lock.hcl"
done

app=$root/opt/caplv
mkdir -p "$app"
cp -R "$packages/." "$app"
(cd "$project" && node_modules/.bin/node scripts/build.ts "$app/dist" >&2)
cp -R "$project/stacks/provider-libvirt/lib" "$app/stacks/provider-libvirt"
mkdir -p "$(dirname "$target")"
mv "$root" "$target"
