/**
 * `npm run demo -- --kube`: the controller on a real API server. A MachineDeployment of three, a scale, a rolling update, by
 * the kubectl commands that a user would type. The lab stays up, the controller runs as long as the demo.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { KubeLab } from '../lab/kube/kube-lab.ts';
import type { Lab } from '../lab/lab.ts';
import { BIN, say, show } from './words.ts';

const NAME = 'web';

export async function kubeDemo(lab: Lab): Promise<void> {
  const kube = await KubeLab.up({ dir: join(lab.directory, 'kube'), detached: true, progress: say });
  const kubectl = async (...args: string[]) => {
    show(`kubectl ${args.join(' ')}`);
    await execa(kube.kubectl, args, {
      env: { KUBECONFIG: kube.kubeconfig },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  };
  await kubectl('apply', '-f', 'deploy/crds');

  const log = join(lab.directory, 'controller.log');
  show(`caplv controller    (its log: ${log})`);
  const controller = spawn(process.execPath, [BIN, 'controller', '--kubeconfig', kube.kubeconfig], {
    env: { ...process.env, ...lab.env(), CAPLV_ALLOW: dirname(lab.imagePath) },
    stdio: ['ignore', 'ignore', openSync(log, 'a')],
  });
  const ended = once(controller, 'exit');
  try {
    say(`\nA MachineDeployment of three machines:`);
    await apply(kube, deployment(lab, { vcpu: 1 }));
    await waitFor(kube, 3);
    await kubectl('get', 'machinedeployments,machinesets,machines');
    say('\nFour of them:');
    await kubectl('scale', `machinedeployment/${NAME}`, '--replicas=4');
    await waitFor(kube, 4);
    say('\nA rolling update: other user data, so each machine is replaced, one at a time:');
    await apply(
      kube,
      deployment(lab, { vcpu: 1, replicas: 4, userData: '#cloud-config\n# second edition\n' }),
    );
    await waitFor(kube, 4);
    await kubectl('get', 'machinedeployments,machinesets,machines');
    say('\nAnd nothing of it is left behind:');
    await kubectl('delete', `machinedeployment/${NAME}`, '--wait');
    await waitForNone(kube);
    await kubectl('get', 'machines');
  } finally {
    controller.kill('SIGTERM');
    await ended;
  }
  say(`
Next, in this directory:
  eval "$(npm run -s lab -- env)"                      kubectl, virsh and caplv then use the lab
  caplv controller --log-format=pretty                 run the controller in one terminal …
  kubectl get machines -w                              … and watch in another, after
  caplv apply -f $CAPLV_MANIFESTS --kubeconfig $KUBECONFIG
  npm run demo -- down                                 remove it again`);
}

interface Wanted {
  readonly vcpu: number;
  readonly replicas?: number;
  readonly userData?: string;
}

/** Guests that are as small as the lab's image allows. */
function deployment(lab: Lab, { vcpu, replicas = 3, userData = '#cloud-config\n' }: Wanted): object {
  const labels = { app: NAME };
  const providerSpec = {
    vcpu,
    memoryMiB: 128,
    imageURI: lab.imagePath,
    userData,
    shutdownTimeoutSeconds: 10,
  };
  return {
    apiVersion: 'cluster-api.k8s.io/v1alpha1',
    kind: 'MachineDeployment',
    metadata: { name: NAME, namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { providerSpec } },
    },
  };
}

async function apply(kube: KubeLab, object: object): Promise<void> {
  show('kubectl apply -f web.yaml');
  const options = { env: { KUBECONFIG: kube.kubeconfig }, input: JSON.stringify(object) };
  await execa(kube.kubectl, ['apply', '--server-side', '-f', '-'], {
    ...options,
    stdout: 'inherit',
    stderr: 'inherit',
  });
}

/** Shows each machine's way as `kubectl get machines -w` tells it, until the rollout is done. */
async function waitFor(kube: KubeLab, replicas: number): Promise<void> {
  const ready = '{.status.updatedReplicas}/{.status.availableReplicas}/{.status.replicas}';
  const env = { KUBECONFIG: kube.kubeconfig };
  const watching = execa(kube.kubectl, ['get', 'machines', '-w'], {
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
    reject: false,
  });
  const generation = (await jsonpath(kube, '{.metadata.generation}')) ?? '';
  const done = `${generation} ${replicas}/${replicas}/${replicas}`;
  const args = ['wait', `machinedeployment/${NAME}`, '--timeout=10m'];
  // kubectl waits for one field at a time; the last one to come true is asked again together with the others.
  do {
    for (const field of ['updatedReplicas', 'availableReplicas', 'replicas']) {
      await execa(kube.kubectl, [...args, `--for=jsonpath={.status.${field}}=${replicas}`], { env });
    }
    await execa(kube.kubectl, [...args, `--for=jsonpath={.status.observedGeneration}=${generation}`], {
      env,
    });
  } while ((await jsonpath(kube, `{.status.observedGeneration} ${ready}`)) !== done);
  watching.kill();
  await watching;
}

async function waitForNone(kube: KubeLab): Promise<void> {
  await execa(kube.kubectl, ['wait', 'machines', '--all', '--for=delete', '--timeout=5m'], {
    env: { KUBECONFIG: kube.kubeconfig },
    reject: false,
  });
}

async function jsonpath(kube: KubeLab, path: string): Promise<string> {
  const { stdout } = await execa(kube.kubectl, ['get', 'machinedeployment', NAME, '-o', `jsonpath=${path}`], {
    env: { KUBECONFIG: kube.kubeconfig },
  });
  return stdout;
}
