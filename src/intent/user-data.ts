/**
 * Renders variables in user data, network configuration and Ignition. `${CAPLV_…}` only: everything else that looks like a variable
 * belongs to the shell, to jinja (`{{ ds.meta_data.instance_id }}`) or to Terraform and stays as it is.
 */

import { TerminalError } from '../errors.ts';

/** What the variables stand for; undefined: the manifest does not say. */
export interface UserDataVariables {
  readonly CAPLV_MACHINE_NAME: string;
  readonly CAPLV_NAMESPACE: string;
  readonly CAPLV_CLUSTER_NAME: string | undefined;
  readonly CAPLV_KUBELET_VERSION: string | undefined;
  readonly CAPLV_POD_CIDR: string | undefined;
  readonly CAPLV_SERVICE_CIDR: string | undefined;
  readonly CAPLV_SERVICE_DOMAIN: string | undefined;
  readonly CAPLV_PROVIDER_ID: string;
}

/** Where the value of each variable comes from; also the list in docs and errors. */
export const USER_DATA_VARIABLES: Readonly<Record<keyof UserDataVariables, string>> = {
  CAPLV_MACHINE_NAME: 'metadata.name of the Machine',
  CAPLV_NAMESPACE: 'metadata.namespace of the Machine',
  CAPLV_CLUSTER_NAME: 'metadata.name of the Cluster',
  CAPLV_KUBELET_VERSION: 'spec.versions.kubelet of the Machine',
  CAPLV_POD_CIDR: 'spec.clusterNetwork.pods.cidrBlocks of the Cluster, joined by commas',
  CAPLV_SERVICE_CIDR: 'spec.clusterNetwork.services.cidrBlocks of the Cluster, joined by commas',
  CAPLV_SERVICE_DOMAIN: 'spec.clusterNetwork.serviceDomain of the Cluster',
  CAPLV_PROVIDER_ID: 'spec.providerID of the Machine, for kubelet --provider-id',
};

/** Renders the variables. Throws TerminalError InvalidConfiguration for an unknown variable or one without a value. */
export function renderVariables(text: string, variables: UserDataVariables, path: string): string {
  return text.replace(/\$\{(CAPLV_\w+)\}/g, (_, name: string) => {
    const source = USER_DATA_VARIABLES[name as keyof UserDataVariables];
    if (source === undefined) {
      throw new TerminalError({
        code: 'InvalidConfiguration',
        path,
        message: `this names the unknown variable \${${name}}`,
        fix: `use one of ${Object.keys(USER_DATA_VARIABLES).join(', ')}`,
      });
    }
    const value = variables[name as keyof UserDataVariables];
    if (value === undefined) {
      throw new TerminalError({
        code: 'InvalidConfiguration',
        path,
        message: `this uses \${${name}}, which has no value`,
        fix: `set ${source}, or take the variable out`,
      });
    }
    return value;
  });
}
