/** Reads and writes objects with kubectl. */

import { execa } from 'execa';
import type { KubeObject } from '../../src/apimachinery/object.ts';
import type { KubeLab } from '../lab/kube/kube-lab.ts';

/** The fields of Cluster API kinds that tests read. */
export interface ApiObject extends KubeObject {
  readonly spec?: { readonly providerID?: string; readonly [field: string]: unknown };
  readonly status?: {
    readonly phase?: string;
    readonly nodeRef?: { readonly name: string };
    readonly [field: string]: unknown;
  };
}

/** Objects of an API server, as an administrator with kubectl reads and writes them. Namespace `default`. */
export class ApiObjects {
  readonly #kube: KubeLab;

  constructor(kube: KubeLab) {
    this.#kube = kube;
  }

  async apply(...objects: readonly object[]): Promise<void> {
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
    await this.#run(['apply', '--server-side', '--force-conflicts', '--filename=-'], input);
  }

  /** Those that name a namespace of their own. */
  async applyElsewhere(namespace: string, ...objects: readonly object[]): Promise<void> {
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
    await this.#run(['apply', '--server-side', `--namespace=${namespace}`, '--filename=-'], input);
  }

  /** Applies the text with `kubectl apply`. */
  async applyText(yaml: string): Promise<void> {
    await this.#run(['apply', '--server-side', '--filename=-'], yaml);
  }

  /** Asks whether it would take that text, with its schemas and admission; returns a line for each object. */
  async dryRun(yaml: string): Promise<string[]> {
    return (await this.#run(['apply', '--server-side', '--dry-run=server', '--filename=-'], yaml)).split(
      '\n',
    );
  }

  /** `path` may be a directory. */
  async applyFile(path: string): Promise<void> {
    await this.#run(['apply', '--server-side', `--filename=${path}`]);
    await this.#run(['wait', '--for=condition=Established', '--all', 'customresourcedefinitions']);
  }

  /** `resource` may be followed by its group, `machines.cluster.x-k8s.io`. */
  async list(resource: string): Promise<ApiObject[]> {
    const list = JSON.parse(await this.#run(['get', resource, '--output=json'])) as { items: ApiObject[] };
    return list.items;
  }

  async get(resource: string, name: string): Promise<ApiObject | undefined> {
    const text = await this.#run(['get', resource, name, '--ignore-not-found', '--output=json']);
    return text ? (JSON.parse(text) as ApiObject) : undefined;
  }

  async patch(resource: string, name: string, patch: object, subresource?: 'status'): Promise<void> {
    const of = subresource ? [`--subresource=${subresource}`] : [];
    await this.#run(['patch', resource, name, '--type=merge', `--patch=${JSON.stringify(patch)}`, ...of]);
  }

  /** Does not wait until it is gone. */
  async delete(resource: string, name: string): Promise<void> {
    await this.#run(['delete', resource, name, '--wait=false']);
  }

  async #run(args: readonly string[], input?: string): Promise<string> {
    const kubectl = [`--kubeconfig=${this.#kube.kubeconfig}`, '--namespace=default', ...args];
    return (await execa(this.#kube.kubectl, kubectl, input === undefined ? { stdin: 'ignore' } : { input }))
      .stdout;
  }
}
