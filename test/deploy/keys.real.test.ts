import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import net from 'node:net';
import tls from 'node:tls';
import { execa } from 'execa';
import { expect, test, vi } from 'vitest';
import { KubeLab } from '../lab/kube/kube-lab.ts';
import { Lab } from '../lab/lab.ts';
import { DEPLOY, kustomize, objectOf } from './manifests.ts';
import { type Deployment, Pod } from './pod.ts';
import { buildRootfs } from './rootfs.ts';
import { CertificateAuthority } from '../lab/kube/certificates.ts';

test('keys', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'caplv-keys-'));
  const [lab, kube] = await Promise.all([
    Lab.up({ name: 'keys', fresh: true, uplink: true }),
    KubeLab.up({ dir: join(directory, 'kube'), controllerManager: true }),
    buildRootfs(join(directory, 'image')),
  ]);
  const kubectl = async (input: object | undefined, ...args: string[]) =>
    (await execa(kube.kubectl, ['--kubeconfig', kube.kubeconfig, ...args], { input: input ? JSON.stringify(input) : '' })).stdout;
  await kubectl(undefined, 'wait', '--for=create', 'namespace/kube-system', '--timeout=60s');
  await kubectl(undefined, 'apply', '--server-side', '--kustomize', join(DEPLOY, 'default'));
  await kubectl(undefined, 'wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s');
  const ssh = join(directory, 'ssh');
  await mkdir(ssh, { mode: 0o700 });
  for (const name of ['host', 'id_ed25519']) await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(ssh, name)]);
  await writeFile(join(ssh, 'authorized_keys'), await readFile(join(ssh, 'id_ed25519.pub')), { mode: 0o600 });
  await writeFile(join(ssh, 'config'), `Port 2222\nListenAddress 127.0.0.1\nHostKey ${ssh}/host\nAuthorizedKeysFile ${ssh}/authorized_keys\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n`);
  const sshd = spawn('unshare', ['--mount', '--fork', '--kill-child', 'sh', '-c',
    `{ cat /etc/passwd; echo sshd:x:101:65534::/run/sshd:/usr/sbin/nologin; } >${ssh}/passwd; mount --bind ${ssh}/passwd /etc/passwd; mount -t tmpfs run /run; mkdir /run/sshd; exec /tmp/img/ssh/usr/sbin/sshd -D -e -f ${ssh}/config`], { stdio: ['ignore', 'inherit', 'inherit'] });
  const hostKey = (await readFile(join(ssh, 'host.pub'), 'utf8')).split(' ').slice(0, 2).join(' ');
  // TLS
  const ca = await CertificateAuthority.create(join(directory, 'pki'));
  const server = await ca.server('libvirt', ['127.0.0.1', 'localhost']);
  const client = await ca.client('caplv', []);
  const tcp = new URL((lab.hosts[0]?.tcpUri ?? '').replace('qemu+tcp', 'http'));
  const proxy = tls.createServer({ ...server, ca: await readFile(ca.certPath), requestCert: true, rejectUnauthorized: true }, (socket) => {
    const up = net.connect(Number(tcp.port), tcp.hostname);
    socket.write(Buffer.from([1]));
    socket.pipe(up).pipe(socket);
    up.on('error', () => socket.destroy());
    socket.on('error', () => up.destroy());
  });
  proxy.on('tlsClientError', (e) => console.error('tls', e.message));
  proxy.listen(16514, '127.0.0.1');
  const manifests = await kustomize(kube.kubectl, 'default');
  const pod = await Pod.start({
    lab: kube, deployment: objectOf<Deployment>(manifests, 'Deployment'), rootfs: join(directory, 'image'),
    directory: join(directory, 'pod'), name: 'p', env: {},
    secrets: {
      'caplv-libvirt-ssh': { id_ed25519: await readFile(join(ssh, 'id_ed25519'), 'utf8'), known_hosts: `[127.0.0.1]:2222 ${hostKey}\n` },
      'caplv-libvirt-tls': { 'cacert.pem': await readFile(ca.certPath, 'utf8'), 'clientcert.pem': client.cert, 'clientkey.pem': client.key },
    },
  });
  const socket = new URL(lab.hosts[0]?.uri ?? '').searchParams.get('socket');
  const uris = { ssh: `qemu+ssh://root@127.0.0.1:2222/system?socket=${socket}`, tls: `qemu+tls://127.0.0.1/system` };
  try {
    await pod.says('Working');
    for (const [name, uri] of Object.entries(uris)) {
      const machine = { apiVersion: 'cluster-api.k8s.io/v1alpha1', kind: 'Machine', metadata: { name, namespace: 'default' },
        spec: { providerSpec: { uri, vcpu: 1, memoryMiB: 128, imageURI: 'http://127.0.0.1:1/none' , running: false} } };
      await kubectl(machine, 'apply', '--filename=-');
    }
    await vi.waitFor(async () => {
      console.log(await kubectl(undefined, 'get', 'machines', '-o', 'jsonpath={range .items[*]}{.metadata.name}{" "}{.status.conditions[*].message}{"\\n"}{end}'));
      expect(1).toBe(2);
    }, { timeout: 12000, interval: 5000 }).catch(() => {});
  } finally {
    console.log(pod.log.slice(-14).join('\n'));
    sshd.kill('SIGKILL'); proxy.close();
    await pod.kill(); await kube.down(); await lab.down(); await rm(directory, { recursive: true, force: true });
  }
});
