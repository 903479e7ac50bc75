#!/bin/sh
# Gets a fresh clone ready; quick and silent when all is there.
#
#   test/lab/setup.sh          npm packages and build: all that the unit tests need
#   test/lab/setup.sh --lab    also what the lab needs: Debian packages (as root), terraform, the libvirt provider
#   test/lab/setup.sh --tests  also a Kubernetes API server, built from its Go modules: minutes, once
#
# Run by `npm run demo`, `npm run lab` and `npm test`. Needs Node 20 or later with npm, for --lab Debian 12 on amd64.
set -eu
cd "$(dirname "$0")/../.."

say() { echo "setup: $*" >&2; }

die() {
  say "$*"
  exit 1
}

case "${1:-}" in
  '' | --lab | --tests) ;;
  -h | --help)
    sed -n '2,8s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
  *)
    echo "usage: test/lab/setup.sh [--lab | --tests]" >&2
    exit 2
    ;;
esac

command -v node >/dev/null || die 'node is missing: install Node.js 20 or later, https://nodejs.org/en/download'
command -v npm >/dev/null || die 'npm is missing: it comes with Node.js, or apt-get install npm'
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || die "Node $(node -v) is too old: install 20 or later"

# npm packages; among them Node 24 itself, which everything after this line runs on.
lock=$(cksum <package-lock.json)
stamp=node_modules/.caplv-setup
if [ "$(cat "$stamp" 2>/dev/null)" != "$lock" ]; then
  say 'installing npm packages (a minute or two the first time)'
  npm ci --no-audit --no-fund --loglevel=error >&2
  echo "$lock" >"$stamp"
fi
PATH=$PWD/node_modules/.bin:$PATH
export PATH

# The compilers find out by themselves what has changed, but take seconds to say that nothing has.
built=node_modules/.caplv-built
if [ ! -e "$built" ] || [ ! -d dist ] ||
  [ -n "$(find src stacks rolldown.config.ts package-lock.json -newer "$built" -type f ! -path '*/node_modules/*' -print | head -n 1)" ]; then
  # The time of the begin: a file that is saved meanwhile counts as changed.
  touch "$built.new"
  npm run --silent build >&2
  mv "$built.new" "$built"
fi

[ -z "${1:-}" ] || exec node test/lab/install.ts "$1"
