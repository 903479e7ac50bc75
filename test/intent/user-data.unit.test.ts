/** Verifies that variables in user data are replaced. */

import { describe, expect, it } from 'vitest';
import { renderVariables, USER_DATA_VARIABLES, type UserDataVariables } from '../../src/intent/user-data.ts';

const variables: UserDataVariables = {
  CAPLV_MACHINE_NAME: 'kube-cp',
  CAPLV_NAMESPACE: 'default',
  CAPLV_CLUSTER_NAME: 'fujisan',
  CAPLV_KUBELET_VERSION: '1.15.0',
  CAPLV_POD_CIDR: '192.168.0.0/16',
  CAPLV_SERVICE_CIDR: undefined,
  CAPLV_SERVICE_DOMAIN: 'cluster.local',
  CAPLV_PROVIDER_ID: 'libvirt:///x',
};
const render = (text: string) => renderVariables(text, variables, 'spec.providerSpec.userData');

describe('variables of user data', () => {
  it('are filled in, as often as they stand there', () => {
    expect(render('${CAPLV_MACHINE_NAME} ${CAPLV_KUBELET_VERSION} ${CAPLV_MACHINE_NAME}')).toBe(
      'kube-cp 1.15.0 kube-cp',
    );
  });

  it("leave alone what is the shell's, jinja's or Terraform's", () => {
    const text = 'echo ${HOME} $CAPLV_MACHINE_NAME {{ ds.meta_data.instance_id }} %{ if } $${x}';
    expect(render(text)).toBe(text);
  });

  it('that do not exist are refused by name, with those that do', () => {
    expect(() => render('${CAPLV_NODE}')).toThrow(
      expect.objectContaining({
        code: 'InvalidConfiguration',
        path: 'spec.providerSpec.userData',
        message: expect.stringContaining('CAPLV_NODE'),
        fix: expect.stringContaining('CAPLV_MACHINE_NAME'),
      }),
    );
  });

  it('without a value are refused, and the error says which field would give one', () => {
    expect(() => render('${CAPLV_SERVICE_CIDR}')).toThrow(
      expect.objectContaining({ fix: expect.stringContaining(USER_DATA_VARIABLES.CAPLV_SERVICE_CIDR) }),
    );
  });
});
