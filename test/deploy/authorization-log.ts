/**
 * Records each authorization request of an API server. A webhook authorizer in front of RBAC sees all of them, also those
 * that no audit log has: server-side apply of an object that does not exist needs `create`, too.
 */

import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { stringify } from 'yaml';
import type { KubeLab } from '../lab/kube/kube-lab.ts';

export interface Question {
  readonly user: string;
  readonly verb: string;
  readonly group: string;
  /** With its subresource: `machines/status`. */
  readonly resource: string;
  /** Empty for objects of the cluster, and for lists over all namespaces. */
  readonly namespace: string;
  /** Empty for lists, and for objects that get their name later. */
  readonly name: string;
}

interface SubjectAccessReview {
  readonly spec: {
    readonly user: string;
    readonly resourceAttributes?: {
      readonly verb: string;
      readonly group?: string;
      readonly resource: string;
      readonly subresource?: string;
      readonly namespace?: string;
      readonly name?: string;
    };
  };
}

export class AuthorizationLog {
  readonly questions: Question[] = [];
  readonly #server = createServer(async (request, response) => {
    const review = JSON.parse(await text(request)) as SubjectAccessReview;
    this.#note(review);
    response.setHeader('Content-Type', 'application/json');
    // No opinion: RBAC is asked next.
    response.end(JSON.stringify({ ...review, status: { allowed: false } }));
  });

  /** Restarts the lab's API server on the same port, with the same objects, and with a webhook before RBAC. */
  static async of(lab: KubeLab): Promise<AuthorizationLog> {
    const log = new AuthorizationLog();
    log.#server.listen(0, '127.0.0.1');
    await once(log.#server, 'listening');
    const { port } = log.#server.address() as AddressInfo;
    const config = join(lab.dir, 'authorization-webhook.yaml');
    await writeFile(config, stringify(webhookConfig(`http://127.0.0.1:${port}/`)));
    await lab.stopApiServer();
    await lab.startApiServer({
      'authorization-mode': 'Webhook,RBAC',
      'authorization-webhook-config-file': config,
      'authorization-webhook-version': 'v1',
      // Who names an owner that must wait for what it owns must be allowed to hold it up. OpenShift has this on.
      'enable-admission-plugins': 'OwnerReferencesPermissionEnforcement',
    });
    return log;
  }

  /** Returns the requests of a user so far, each once. */
  by(user: string): Question[] {
    const known = new Map(
      this.questions
        .filter((question) => question.user === user)
        .map((question) => [JSON.stringify(question), question]),
    );
    return [...known.values()];
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #note({ spec: { user, resourceAttributes: asked } }: SubjectAccessReview): void {
    // OwnerReferencesPermissionEnforcement first asks for everything at once, to save itself further questions.
    if (!asked || asked.group === '*') return;
    const { verb, group = '', resource, subresource, namespace = '', name = '' } = asked;
    const path = subresource ? `${resource}/${subresource}` : resource;
    this.questions.push({ user, verb, group, resource: path, namespace, name });
  }
}

/** In the format of a kubeconfig. */
function webhookConfig(server: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'log',
    clusters: [{ name: 'log', cluster: { server } }],
    users: [{ name: 'api-server', user: {} }],
    contexts: [{ name: 'log', context: { cluster: 'log', user: 'api-server' } }],
  };
}
