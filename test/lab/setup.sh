#!/bin/sh
# Gets a fresh clone ready; quick and silent when all is there.
#
#   test/lab/setup.sh          npm packages and build: all that the unit tests need
#   test/lab/setup.sh --lab    also what the lab needs: Debian packages (as root), terraform, the libvirt provider
#   test/lab/setup.sh --tests  also a Kubernetes API server, built from its Go modules: minutes, once
#   test/lab/setup.sh --capi   also Cluster API's managers and clusterctl, from theirs: eight minutes, once
#
# Run by `npm run demo`, `npm run lab` and `npm test`. Needs Node 20 or later with npm
# (to install the Node 24 that all of it runs on), for --lab Debian 12 on amd64.
set -eu
cd "$(dirname "$0")/../.."

say() { echo "setup: $*" >&2; }

die() {
  say "$*"
  exit 1
}

case "${1:-}" in
  '' | --lab | --tests | --capi) ;;
  -h | --help)
    sed -n '2,10s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
  *)
    echo "usage: test/lab/setup.sh [--lab | --tests | --capi]" >&2
    exit 2
    ;;
esac

command -v node >/dev/null || die 'node is missing: install Node.js 20 or later, https://nodejs.org/en/download'
command -v npm >/dev/null || die 'npm is missing: it comes with Node.js, or apt-get install npm'
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || die "Node $(node -v) is too old: install 20 or later, https://nodejs.org/en/download"

# npm packages; among them Node 24 itself, which everything after this line runs on.
if ! node test/lab/packages-installed.mjs; then
  say 'installing npm packages (a minute or two the first time)'
  npm ci --no-audit --no-fund --loglevel=error >&2
fi
PATH=$PWD/node_modules/.bin:$PATH
export PATH

node scripts/build.ts >&2

[ -z "${1:-}" ] || exec node test/lab/install.ts "$1"
