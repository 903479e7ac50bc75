import type { Plan } from './format/plan.ts';

/** A configuration, as far as it says which volumes are filled from elsewhere. */
interface Configuration {
  readonly resource?: {
    readonly libvirt_volume?: Readonly<Record<string, { readonly source?: unknown }>>;
  };
}

/**
 * Tells whether an apply transfers the content of a volume from a server, which takes as long as that server likes. A file of this
 * machine, such as the seed of each machine with user data, is not one.
 * @param plan what is applied of the configuration; absent: all of it
 */
export function transfersContent(config: object, plan: Plan | undefined): boolean {
  const volumes = Object.entries((config as Configuration).resource?.libvirt_volume ?? {});
  const filled = volumes.flatMap(([name, { source }]) =>
    isOfServer(source) ? `libvirt_volume.${name}` : [],
  );
  if (plan === undefined) return filled.length > 0;
  return plan.changes.some(
    ({ action, address }) => (action === 'create' || action === 'replace') && filled.includes(address),
  );
}

function isOfServer(source: unknown): boolean {
  return typeof source === 'string' && /^https?:/i.test(source);
}
