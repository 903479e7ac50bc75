// `node test/lab/packages-installed.mjs`: exit code 0 if node_modules holds what package-lock.json lists, 1 if packages are to be
// installed. Plain JavaScript for any Node: it runs before ours is there. npm writes node_modules/.package-lock.json when it is done.
import { readFileSync } from 'node:fs';

const read = (file) => JSON.parse(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')).packages;

try {
  const wanted = read('package-lock.json');
  const installed = read('node_modules/.package-lock.json');
  const same = ([path, { version, integrity, resolved, link }]) =>
    installed[path] !== undefined &&
    installed[path].version === version &&
    installed[path].integrity === integrity &&
    (!link || installed[path].resolved === resolved);
  // Optional ones are for other platforms.
  const missing = Object.entries(wanted).filter(
    ([path, entry]) => path.includes('node_modules/') && !entry.optional && !same([path, entry]),
  );
  process.exitCode = missing.length === 0 ? 0 : 1;
} catch {
  process.exitCode = 1;
}
