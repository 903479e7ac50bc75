/** Compares roles with the requests that were made under them. */

import type { KubeObject } from '../../src/apimachinery/object.ts';
import type { Question } from './authorization-log.ts';

/** A Role (with a namespace) or a ClusterRole. */
export interface Role extends KubeObject {
  readonly rules: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly resourceNames?: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

/** One verb on one resource. */
export interface Permission {
  readonly group: string;
  readonly resource: string;
  readonly verb: string;
  /** Undefined: all. */
  readonly name: string | undefined;
  /** Undefined: all. */
  readonly namespace: string | undefined;
}

export function permissionsOf({ metadata: { namespace }, rules }: Role): Permission[] {
  return rules.flatMap(({ apiGroups, resources, resourceNames = [undefined], verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) =>
        resourceNames.flatMap((name) => verbs.map((verb) => ({ group, resource, verb, name, namespace }))),
      ),
    ),
  );
}

export function allows(permission: Permission, question: Question): boolean {
  const { group, resource, verb, name, namespace } = permission;
  return (
    group === question.group &&
    resource === question.resource &&
    verb === question.verb &&
    (name === undefined || name === question.name) &&
    (namespace === undefined || namespace === question.namespace)
  );
}

/** `get coordination.k8s.io/leases`, for people. */
export function describePermission({ verb, group, resource, name }: Permission | Question): string {
  return `${verb} ${group ? `${group}/` : ''}${resource}${name ? ` ${name}` : ''}`;
}
