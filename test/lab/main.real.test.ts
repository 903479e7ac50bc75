/** Verifies the command `npm run lab`. */

import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, expect, test } from 'vitest';

const MAIN = join(import.meta.dirname, 'main.ts');

afterAll(() => lab('down'));

test('a person starts the lab, uses it by hand, and removes it', async () => {
  await lab('down');
  expect(await lab('status')).toMatchObject({ exitCode: 1, stdout: 'lab test-main is down' });
  expect(await lab('env')).toMatchObject({
    exitCode: 1,
    stderr: 'lab: lab test-main is not up: npm run lab -- up',
  });

  const up = await lab('up');
  expect(up.exitCode).toBe(0);
  expect(up.stdout).toBe('');
  expect(up.stderr).toMatch(/host-1 is up: qemu\+unix:\/\/\/system\?socket=\/.*\/caplv-lab-test-main\//);
  expect((await lab('status')).stdout).toMatch(/^host-1 {2}running {2}qemu\+unix:/);

  // As a shell would use it: the variables reach virsh.
  const { stdout: environment } = await lab('env');
  expect((await execa('sh', ['-c', `${environment}\nvirsh -q net-list --name`])).stdout.trim()).toBe(
    'default',
  );
  const found = await execa('sh', ['-c', `${environment}\ncommand -v caplv`]);
  expect(found.stdout).toBe(join(import.meta.dirname, '../../node_modules/.bin/caplv'));
  expect((await execa('sh', ['-c', `${environment}\ncat "$TF_CLI_CONFIG_FILE"`])).stdout).toContain(
    'filesystem_mirror',
  );

  // Guests are reachable from in there only.
  expect((await lab('exec', '--', 'ip', '-brief', 'address', 'show', 'virbr0')).stdout).toContain(
    '192.168.122.1/24',
  );
  expect(await lab('exec', 'sh', '-c', 'exit 7')).toMatchObject({ exitCode: 7 });

  expect(await lab('down')).toMatchObject({ exitCode: 0 });
  expect(await lab('status')).toMatchObject({ exitCode: 1 });
});

test('with --kube kubectl works too, and all of it goes with the lab', async () => {
  expect(await lab('up', '--kube')).toMatchObject({ exitCode: 0 });
  const { stdout: environment } = await lab('env');
  const ready = await execa('sh', [
    '-c',
    `${environment}\nkubectl get --raw /readyz && kubectl cluster-info`,
  ]);
  expect(ready.stdout).toMatch(/^ok/);
  const [url] = ready.stdout.match(/https:\/\/127\.0\.0\.1:\d+/) ?? [];
  expect(await lab('down')).toMatchObject({ exitCode: 0 });
  await expect(fetch(url ?? '')).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
});

test.each(['frobnicate', 'up --hosts 0', 'up --frobnicate'])(
  'wrong usage has another exit code than failure: lab %s',
  async (command) => {
    const { exitCode, stderr } = await lab(...command.split(' '));
    expect(exitCode).toBe(2);
    expect(stderr).toContain('Usage: lab');
  },
);

test.each([
  ['--name', 'test-name-first', 'status'],
  ['status', '--name', 'test-name-first'],
])('the name of a lab may stand before the command or after it: lab %s %s %s', async (...command) => {
  expect(await execa(process.execPath, [MAIN, ...command], { reject: false })).toMatchObject({
    exitCode: 1,
    stdout: 'lab test-name-first is down',
  });
});

function lab(...command: string[]) {
  return execa(process.execPath, [MAIN, '--name', 'test-main', ...command], { reject: false });
}
