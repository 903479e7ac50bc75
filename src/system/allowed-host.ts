/** The libvirt URIs that may be opened, as a type: what runs virsh or a provider takes no other text. */

declare const allowed: unique symbol;

/** The one text of a host that the policy has allowed. */
export type AllowedHost = string & { readonly [allowed]: true };

/** Takes a text for that of an allowed host. Only src/intent/policy/host-list.ts, which decides, calls it: test/layers.unit.test.ts. */
export function allowHost(text: string): AllowedHost {
  return text as AllowedHost;
}
