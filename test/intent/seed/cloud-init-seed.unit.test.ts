/** Verifies that a seed has a stable volume name and intent hash. */

import { describe, expect, it } from 'vitest';
import type { MachineIntent } from '../../../src/intent/hosted-intent.ts';
import { intentHash } from '../../../src/intent/machine-intent.ts';
import { CloudInitSeed } from '../../../src/intent/seed/cloud-init-seed.ts';
import { seedIso } from '../../../src/intent/seed/seed-iso.ts';

const metaData = '{"instance-id":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed","local-hostname":"kube-cp"}\n';
const name = 'default.kube-cp.1b9d6bcd-seed.iso';
const seed = (userData: string) => new CloudInitSeed(name, 'default', { userData, metaData });

it('an ISO is built once, however often it is asked for', () => {
  const one = seed('#cloud-config\n');
  expect(one.content).toEqual(seedIso({ userData: '#cloud-config\n', metaData }));
  expect(one.content).toBe(one.content);
});

it('other content is another volume, the same content the same', () => {
  const { volume } = seed('one');
  expect(volume).toMatch(/^default\.kube-cp\.1b9d6bcd-seed\.iso-[0-9a-f]{16}$/);
  expect(seed('one').volume).toBe(volume);
  expect(seed('two').volume).not.toBe(volume);
});

describe('the hash of an intent, by which a controller tells that a specification has changed', () => {
  const hash = (one: CloudInitSeed) => intentHash({ seed: one } as unknown as MachineIntent);

  it('is what earlier releases wrote into the status: another would apply every machine again', () => {
    expect(hash(seed('#cloud-config\nhostname: a\n'))).toBe('2d40979448');
    const bytes = { userData: 'TUlNRS1WZXJzaW9uOiAxLjAKCv/+AA==', userDataEncoding: 'base64' } as const;
    const networkConfig = 'version: 2\nethernets: {}\n';
    expect(hash(new CloudInitSeed(name, 'default', { ...bytes, metaData, networkConfig }))).toBe(
      'd8e71c0808',
    );
  });

  it('changes with the text', () => {
    expect(hash(seed('one'))).not.toBe(hash(seed('two')));
  });
});
