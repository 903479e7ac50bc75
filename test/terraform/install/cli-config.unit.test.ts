/** Verifies which mirrors and plugin caches a terraform CLI configuration names. */

import { expect, test } from 'vitest';
import { parseCliConfig } from '../../../src/terraform/install/cli-config.ts';

test('finds mirrors and plugin cache among everything else, and nothing in comments', () => {
  const config = parseCliConfig(`
    # filesystem_mirror { path = "/commented" }
    plugin_cache_dir = "$HOME/plugins" // not "/elsewhere"
    credentials "app.terraform.io" { token = "x" }
    provider_installation {
      /* filesystem_mirror { path = "/commented/too" } */
      network_mirror { url = "https://mirror.example/" }
      filesystem_mirror {
        include = ["dmacvicar/*"]
        path    = "/srv/mirror"
      }
      filesystem_mirror { path = "/srv/other" }
      direct {}
    }`);
  expect(config).toEqual({
    mirrors: ['/srv/mirror', '/srv/other'],
    pluginCacheDir: `${process.env.HOME}/plugins`,
  });
});

test('an empty configuration names nothing', () => {
  expect(parseCliConfig('')).toEqual({ mirrors: [] });
});
