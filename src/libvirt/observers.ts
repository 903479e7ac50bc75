import { Libvirt } from './libvirt.ts';

/** One observer a URI. */
export function observers(): (uri: string) => Libvirt {
  const known = new Map<string, Libvirt>();
  return (uri) => {
    const libvirt = known.get(uri) ?? new Libvirt({ uri });
    known.set(uri, libvirt);
    return libvirt;
  };
}
