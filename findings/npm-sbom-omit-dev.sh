#!/usr/bin/env bash
# npm 12.2.2 and 11.19.1, `npm sbom --omit=dev`: a package for production that a package for development needs too is left out.
#
# Seen: semver is a dependency of the project, and also of make-dir, which is a devDependency. The lock file does not call semver a
# development package, `npm ls --omit=dev` lists it, and `npm ci --omit=dev` installs it. `npm sbom --omit=dev` lists nothing: neither
# the component nor a dependency, in CycloneDX and in SPDX, from node_modules and from the lock file, with exit code 0. So an SBOM of what runs in
# production lacks what production shares with the tools. Without a package for development that needs it, semver is listed.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export NPM_CONFIG_LOGLEVEL=error
NODE='const b = JSON.parse(require("fs").readFileSync(0)); console.log((b.components ?? b.packages.slice(1)).map((c) => c.name).sort().join(" ") || "nothing")'
mkdir shared alone
echo '{"name":"shared","version":"1.0.0","dependencies":{"semver":"7.7.2"},"devDependencies":{"make-dir":"4.0.0"}}' >shared/package.json
echo '{"name":"alone","version":"1.0.0","dependencies":{"semver":"7.7.2"}}' >alone/package.json
for version in 11.19.1 12.2.2; do
  npm install --silent --no-audit --no-fund --prefix "npm-$version" "npm@$version" >/dev/null
  npm() { node "$dir/npm-$version/node_modules/npm/bin/npm-cli.js" "$@"; }
  for project in shared alone; do
    (
      cd "$project"
      rm -rf node_modules package-lock.json
      npm install --silent --no-audit --no-fund
      echo "npm $version, $project: ls $(npm ls --omit=dev --parseable | tail -n +2 | xargs -n1 basename | xargs)"
      for format in cyclonedx spdx; do
        echo "  $format: $(npm sbom --omit=dev --sbom-format=$format | node -e "$NODE")"
        echo "  $format, lock file: $(npm sbom --omit=dev --package-lock-only --sbom-format=$format | node -e "$NODE")"
      done
      npm ci --silent --omit=dev --no-audit --no-fund
      echo "  installed: $(ls node_modules | xargs)"
    )
  done
  unset -f npm
done | tee seen.txt
for version in 11.19.1 12.2.2; do
  cat <<TEXT
npm $version, shared: ls semver
  cyclonedx: nothing
  cyclonedx, lock file: nothing
  spdx: nothing
  spdx, lock file: nothing
  installed: semver
npm $version, alone: ls semver
  cyclonedx: semver
  cyclonedx, lock file: semver
  spdx: semver
  spdx, lock file: semver
  installed: semver
TEXT
done | diff - seen.txt || { echo 'changed: see above'; exit 1; }
echo 'as described: a dependency that is shared with a package for development is missing'
