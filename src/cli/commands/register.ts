/**
 * `caplv register`: records a Machine and makes what it needs on its host, and not the machine. Run by Terraform itself,
 * as the hook of a stack that `npx cdktf deploy` applies; see src/cdktf/app.ts.
 */

import { MachineKind } from '../../api/kinds/machine.ts';
import { loadManifests } from '../../api/manifest/load.ts';
import type { GlobalFlags } from '../../app/global-flags.ts';
import { EXIT } from '../output/exit-code.ts';
import { notFound } from '../session/errors.ts';
import { withContext } from '../session/local-session.ts';
import { keyOf, sortByKind, storeManifest } from '../session/manifests.ts';

export async function register(
  name: string,
  flags: GlobalFlags & { readonly filename: readonly string[] },
): Promise<number> {
  return withContext(flags, async (context) => {
    const { engine, config } = context;
    const manifests = sortByKind(await loadManifests(flags.filename, { namespace: config.namespace }));
    for (const manifest of manifests) {
      if (manifest.object.kind !== 'Machine' || manifest.object.metadata.name === name)
        await storeManifest(engine.store, context.terminal, manifest);
    }
    const key = { namespace: config.namespace, name };
    const machine = manifests.find(({ object }) => object.kind === 'Machine' && keyOf(object).name === name);
    if (!machine) throw notFound(MachineKind, name, config.namespace);
    await engine.machines.prepare(key);
    return EXIT.ok;
  });
}
