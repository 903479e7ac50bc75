/** Declares a small kind for tests of the runtime. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject, ResourceKind } from '../../src/apimachinery/object.ts';
import type { Client } from '../../src/kube/client/client.ts';

/** A kind of our own, small enough to see through. */
export interface Widget extends KubeObject {
  spec: { size?: number; color?: string; tags?: string[] };
  status?: { phase?: string; conditions?: { type: string; status: string }[] };
}

export const WidgetKind: ResourceKind<Widget> = {
  group: 'test.caplv.dev',
  version: 'v1',
  kind: 'Widget',
  plural: 'widgets',
  namespaced: true,
};

const CrdKind: ResourceKind = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
};

/** Resolves when the API server serves widgets. */
export async function installWidgets(client: Client): Promise<void> {
  const string = { type: 'string' };
  const schema = {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        properties: {
          size: { type: 'integer', minimum: 1 },
          color: string,
          tags: { type: 'array', items: string },
        },
      },
      status: {
        type: 'object',
        properties: {
          phase: string,
          conditions: {
            type: 'array',
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': ['type'],
            items: {
              type: 'object',
              required: ['type', 'status'],
              properties: { type: string, status: string },
            },
          },
        },
      },
    },
  };
  const { group, version, kind, plural } = WidgetKind;
  await client.create(CrdKind, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural, singular: 'widget' },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: { openAPIV3Schema: schema },
        },
      ],
    },
  });
  while (!(await client.list(WidgetKind).catch(() => undefined))) await sleep(50);
}

export function widget(name: string, spec: Widget['spec'] = {}): Widget {
  return { apiVersion: 'test.caplv.dev/v1', kind: 'Widget', metadata: { name, namespace: 'default' }, spec };
}
