/** Verifies how kubeconfigs are read and merged, and which are refused. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { connectionFromText, KUBECONFIG_BYTES, loadConnection } from '../../../src/kube/client/kubeconfig.ts';

/** Lets every connection through. */
const OPEN = async () => undefined;

const dir = mkdtempSync(join(tmpdir(), 'caplv-kubeconfig-'));

afterAll(() => rmSync(dir, { recursive: true }));

function kubeconfig(name: string, user: unknown, cluster: Record<string, unknown> = {}): string {
  const path = join(dir, name);
  const config = {
    'current-context': 'main',
    clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1:6443', ...cluster } }],
    users: [{ name: 'u', user }],
    contexts: [
      { name: 'main', context: { cluster: 'c', user: 'u', namespace: 'team' } },
      { name: 'broken', context: { cluster: 'c', user: 'nobody' } },
    ],
  };
  writeFileSync(path, stringify(config));
  return path;
}

describe('authentication', () => {
  it('reads certificates from data and from files beside the kubeconfig', async () => {
    writeFileSync(join(dir, 'ca.crt'), 'CA');
    const user = { 'client-certificate-data': btoa('CERT'), 'client-key-data': btoa('KEY') };
    const path = kubeconfig('certs', user, { 'certificate-authority': 'ca.crt', 'tls-server-name': 'api' });
    const connection = await loadConnection({ kubeconfig: path });
    expect(connection.server.href).toBe('https://10.0.0.1:6443/');
    expect(connection.namespace).toBe('team');
    const { ca, cert, key, servername } = await connection.requestOptions();
    expect([ca, cert, key].map(String)).toEqual(['CA', 'CERT', 'KEY']);
    expect(servername).toBe('api');
  });

  it('reads tokens, also from files', async () => {
    writeFileSync(join(dir, 'token'), 'from-file\n');
    for (const [user, token] of [
      [{ token: 'plain' }, 'plain'],
      [{ tokenFile: 'token' }, 'from-file'],
    ] as const) {
      const connection = await loadConnection({ kubeconfig: kubeconfig('token-user', user) });
      expect((await connection.requestOptions()).headers).toEqual({ Authorization: `Bearer ${token}` });
    }
  });

  it('runs a credential program again only when its credential expires', async () => {
    const program = join(dir, 'credential');
    // Counts its calls; the first credential is expired already, the second is not.
    writeFileSync(
      program,
      `#!/bin/sh
echo x >>${dir}/calls
n=$(wc -l <${dir}/calls)
[ $n = 1 ] && t=2020-01-01T00:00:00Z || t=2120-01-01T00:00:00Z
echo "{\\"status\\": {\\"token\\": \\"t$n\\", \\"expirationTimestamp\\": \\"$t\\"}}"`,
      { mode: 0o700 },
    );
    const connection = await loadConnection({
      kubeconfig: kubeconfig('exec', { exec: { command: program } }),
    });
    for (const token of ['t2', 't2']) {
      expect((await connection.requestOptions()).headers).toEqual({ Authorization: `Bearer ${token}` });
    }
  });

  it('says which credential program failed, without its output', async () => {
    const program = join(dir, 'failing');
    writeFileSync(program, '#!/bin/sh\necho secret-token; exit 3', { mode: 0o700 });
    const exec = { command: program, installHint: 'Install it with apt.' };
    const connection = await loadConnection({ kubeconfig: kubeconfig('failing-exec', { exec }) });
    await expect(connection.requestOptions()).rejects.toThrow(
      `credential program ${program} failed (3). Install it with apt.`,
    );
    await expect(connection.requestOptions()).rejects.not.toThrow('secret-token');
  });

  it('leaves proxies to client-node', async () => {
    const path = kubeconfig('proxy', { token: 'x' }, { 'proxy-url': 'http://127.0.0.1:3128' });
    const connection = await loadConnection({ kubeconfig: path });
    const { agent } = await connection.requestOptions();
    expect(agent?.constructor.name).toBe('HttpsProxyAgent');
  });
});

describe('choice', () => {
  it('joins the files of KUBECONFIG', async () => {
    const first = join(dir, 'first');
    writeFileSync(first, stringify({ 'current-context': 'main', contexts: [] }));
    vi.stubEnv('KUBECONFIG', `${first}:${kubeconfig('second', { token: 'x' })}`);
    expect((await loadConnection()).namespace).toBe('team');
    vi.unstubAllEnvs();
  });

  it('says what is missing', async () => {
    const path = kubeconfig('missing', { token: 'x' });
    await expect(loadConnection({ kubeconfig: path, context: 'other' })).rejects.toThrow(
      `${path}: no context named other; there are: main, broken`,
    );
    await expect(loadConnection({ kubeconfig: path, context: 'broken' })).rejects.toThrow(
      `${path}: no user named nobody; there are: u`,
    );
  });
});

describe('the text of a kubeconfig, as a Secret holds it', () => {
  const read = (path: string) => readFileSync(path, 'utf8');

  it('is a connection', () => {
    const connection = connectionFromText(read(kubeconfig('text', { token: 'x' })), 'Secret a/b', OPEN);
    expect(connection.namespace).toBe('team');
  });

  it('may not make us run programs or read files', () => {
    const text = read(kubeconfig('evil', { exec: { command: '/bin/evil' }, tokenFile: '/etc/shadow' }));
    expect(() => connectionFromText(text, 'Secret a/b', OPEN)).toThrow(
      'Secret a/b: a kubeconfig must hold its credentials itself, without tokenFile, exec',
    );
  });
});

describe('a kubeconfig that somebody else wrote', () => {
  const text = (user: unknown, cluster: object = {}) =>
    stringify({
      'current-context': 'main',
      clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1:6443', ...cluster } }],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'main', context: { cluster: 'c', user: 'u' } }],
    });
  const filled = (bytes: number) => {
    const bare = text({ token: 't' });
    return `${bare}#${'x'.repeat(bytes - bare.length - 1)}`;
  };

  it('has names of which a message shows the beginning', () => {
    const named = `current-context: ${'n'.repeat(9_000)}\ncontexts:\n- {name: ${'o'.repeat(9_000)}, context: {}}\n`;
    expect(() => connectionFromText(named, 'Secret a/b', OPEN)).toThrow(
      `Secret a/b: no context named ${'n'.repeat(100)}; there are: ${'o'.repeat(100)}`,
    );
    expect(() => connectionFromText(named, 'Secret a/b', OPEN)).not.toThrow('n'.repeat(101));
    // The parser's words quote the text.
    expect(() => connectionFromText('>'.repeat(9_000), 'Secret a/b', OPEN)).not.toThrow('>'.repeat(101));
  });

  it('is read up to a size', () => {
    expect(connectionFromText(filled(KUBECONFIG_BYTES), 'Secret a/b', OPEN).namespace).toBe('default');
    expect(() => connectionFromText(filled(KUBECONFIG_BYTES + 1), 'Secret a/b', OPEN)).toThrow(
      `Secret a/b: a kubeconfig of more than ${KUBECONFIG_BYTES} bytes`,
    );
  });

  // Each takes seconds where all errors are collected, or each key is compared with all others.
  it.each([
    ['brackets', '}'.repeat(KUBECONFIG_BYTES)],
    ['keys', Array.from({ length: 4_000 }, (_, i) => `${i}: `).join('\n')],
    ['a deep list', '['.repeat(KUBECONFIG_BYTES)],
    ['anchors', '&a '.repeat(KUBECONFIG_BYTES / 4)],
    ['directives', '%a\n'.repeat(KUBECONFIG_BYTES / 4)],
    ['aliases', `a: &a [x]\nb:\n${'- *a\n'.repeat(5_000)}`],
    ['documents', '--- a\n'.repeat(5_000)],
    ['nothing', ''],
    ['a text', 'text'],
  ])('is refused at once when it is %s', (_, odd) => {
    expect(() => connectionFromText(odd, 'Secret a/b', OPEN)).toThrow();
  });

  it.each([
    [{ server: 'http://10.0.0.1:6443' }, 'its server must be an https:// URL'],
    [{ server: 'ftp://10.0.0.1' }, 'its server must be an https:// URL'],
    [{ 'insecure-skip-tls-verify': true }, 'insecure-skip-tls-verify must not be set'],
    [{ 'proxy-url': 'http://10.0.0.2:3128' }, 'without proxy-url'],
    [{ 'certificate-authority': '/etc/ssl/ca.crt' }, 'without certificate-authority'],
  ])('is refused with %j: it must prove its server, by what stands in it', (cluster, message) => {
    expect(() => connectionFromText(text({ token: 't' }, cluster), 'Secret a/b', OPEN)).toThrow(message);
  });

  it.each(['client-certificate', 'client-key', 'tokenFile', 'exec', 'auth-provider'])(
    'is refused when its user names %s of this machine',
    (field) => {
      const user = { token: 't', [field]: { command: '/bin/true' } };
      expect(() => connectionFromText(text(user), 'Secret a/b', OPEN)).toThrow(`without ${field}`);
    },
  );

  it('is refused when a credential is no text, whatever could be made of it', () => {
    const user = { 'client-certificate-data': { length: 2_000_000_000 } };
    expect(() => connectionFromText(text(user), 'Secret a/b', OPEN)).toThrow(
      'Secret a/b: client-certificate-data must be a string',
    );
  });
});

describe('a kubeconfig that cannot be used is refused with a code and a fix', () => {
  const file = (text: string, mode = 0o600) => {
    const path = join(dir, `refused-${Math.random().toString(36).slice(2)}`);
    writeFileSync(path, text, { mode });
    return path;
  };
  const whole = (cluster: Record<string, unknown>) => kubeconfig('changed', {}, cluster);
  const cases: Record<string, [() => string, RegExp]> = {
    'that is not there': [() => join(dir, 'nope'), /nope: there is no such file/],
    'that is a directory': [() => dir, /this is a directory/],
    'that is empty': [() => file(''), /empty kubeconfig/],
    'that is not YAML': [() => file('a: [b'), /not YAML: /],
    'that is a text': [() => file('hello'), /not a kubeconfig/],
    'with clusters that are no list': [() => file('clusters: {a: b}'), /not a kubeconfig/],
    'with a user that has no name': [() => file('users: [{user: {}}]'), /not a kubeconfig/],
    'without current-context': [() => file('clusters: []'), /no current-context/],
    'whose context is not there': [() => file('current-context: a'), /no context named a; there are: none/],
    'with a server that is no URL': [() => whole({ server: 'localhost' }), /its cluster has no valid server/],
    'without a server': [() => whole({ server: undefined }), /its cluster has no valid server/],
    'with a certificate that is not there': [
      () => whole({ 'certificate-authority': 'gone.crt' }),
      /context main: there is no such file \(\S+gone\.crt\)/,
    ],
  };
  it.each(Object.entries(cases))('%s', async (_, [path, message]) => {
    await expect(loadConnection({ kubeconfig: path() })).rejects.toMatchObject({
      name: 'TerminalError',
      code: 'InvalidConfiguration',
      message: expect.stringMatching(message),
      fix: expect.any(String),
    });
  });

  it('without the text beside an error, which may be a token', async () => {
    const path = file('users:\n- user: {token: "secret-token}\n');
    await expect(loadConnection({ kubeconfig: path })).rejects.not.toThrow('secret-token');
  });
});
