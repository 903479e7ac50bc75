#!/bin/sh
# Writes the digest that the tag of the base image has today into the Dockerfile. Needs docker with buildx, and the registry.
set -eu
dockerfile=$(cd "$(dirname "$0")" && pwd)/Dockerfile
tag=$(sed -n 's/^ARG BASE=\([^@]*\)@sha256:.*/\1/p' "$dockerfile")
digest=$(docker buildx imagetools inspect "$tag" --format '{{.Manifest.Digest}}')
case $digest in
  sha256:*) ;;
  *) echo "pin-base: the registry gives no digest of $tag: $digest" >&2; exit 1 ;;
esac
sed -i "s|^ARG BASE=.*|ARG BASE=$tag@$digest|" "$dockerfile"
echo "pin-base: $tag@$digest" >&2
