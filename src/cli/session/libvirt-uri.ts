import { libvirtURI } from '../../api/schema/field.ts';
import { fieldProblems } from '../../api/schema/problem.ts';
import { Terminal } from '../../errors.ts';

/** virsh takes a URI that it does not understand for one of this machine. Throws Terminal InvalidConfiguration. */
export function requireLibvirtUri(uri: string): void {
  const [problem] = fieldProblems(libvirtURI(), uri);
  if (!problem) return;
  const { message, fix } = problem;
  throw new Terminal({
    code: 'InvalidConfiguration',
    path: '--libvirt-uri',
    message,
    ...(fix === undefined ? {} : { fix }),
  });
}
