/** Verifies that docs/operations.md matches the manifests, the unit and the image. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { DEPLOY, type Deployment } from './manifests.ts';
import { ENTRYPOINT } from './pod.ts';

const ROOT = join(DEPLOY, '..');
const text = (path: string) => readFileSync(join(ROOT, path), 'utf8');

const deployment = parse(text('deploy/manager/deployment.yaml')) as Deployment;

describe('every link in the documentation leads somewhere', () => {
  it.each([
    'README.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'deploy/README.md',
    ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.md'))
      .map((file) => join('docs', file)),
  ])('of %s', (page) => {
    const links = [...text(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, link = '']) => link);
    expect(links.filter((link) => !existsSync(join(ROOT, dirname(page), link)))).toEqual([]);
  });
});

it('each alert is explained in docs/operations.md', () => {
  const { spec } = parse(text('deploy/monitoring/rules.yaml')) as {
    spec: { groups: { rules: { alert: string }[] }[] };
  };
  const alerts = spec.groups.flatMap(({ rules }) => rules.map(({ alert }) => alert));
  expect(alerts.filter((alert) => !text('docs/operations.md').includes(`\`${alert}\``))).toEqual([]);
});

describe('caplv knows each flag that it is started with', () => {
  const unit =
    /^ExecStart=\/usr\/bin\/env caplv (.*)$/m.exec(text('deploy/systemd/caplv.service'))?.[1] ?? '';
  it.each([
    ['deploy/manager', deployment.spec.template.spec.containers[0].args],
    ['deploy/systemd', unit.split(' ')],
  ])('by %s', async (_, args) => {
    const [command, ...flags] = args;
    expect(command).toBe('controller');
    const { stdout } = await execa(process.execPath, [join(ROOT, 'src/bin.ts'), 'controller', '--help']);
    for (const flag of flags) expect(stdout).toContain(`${flag.split('=')[0]} `);
  });
});

it.each(['Dockerfile', 'Dockerfile.rootfs'])(
  '%s starts what the tests start, as the user of the Deployment',
  (file) => {
    const { runAsUser, runAsGroup } = deployment.spec.template.spec.securityContext;
    expect(text(`deploy/image/${file}`)).toContain(
      `\nUSER ${runAsUser}:${runAsGroup}\nENTRYPOINT ${JSON.stringify(ENTRYPOINT).replaceAll(',', ', ')}\n`,
    );
  },
);

it.each([
  'deploy/image/root/usr/local/bin/caplv',
  'deploy/systemd/caplv.service',
  'test/soak/soak.real.test.ts',
  'test/bench/cluster-bed.ts',
])('V8 stays within the memory that docs/operations.md counts on, by %s', (file) =>
  expect(text(file)).toContain('--max-semi-space-size=8'),
);

it('a stopped service does not kill its terraform for longer than caplv waits for it', () => {
  const unit = text('deploy/systemd/caplv.service');
  expect(unit).toContain('\nKillMode=mixed\n');
  // The manager's shutdown timeout is 300 s.
  expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])).toBeGreaterThan(300);
  expect(deployment.spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThan(300);
});
