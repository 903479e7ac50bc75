/** Points terraform at the provider of the setup. */

import { binDirectory } from '../lab/terraform-binary.ts';
import { terraformrcPath } from '../lab/terraform-provider.ts';

/** Where the setup has put terraform and the provider. */
export const terraformEnvironment = {
  CHECKPOINT_DISABLE: '1',
  TF_CLI_CONFIG_FILE: terraformrcPath(),
  PATH: `${process.env['PATH']}:${binDirectory()}`,
};
