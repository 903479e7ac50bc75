/** Forms the addresses of resources. */

import type { TerraformResource } from 'cdktf';

/** Returns addresses for `replace_triggered_by`: cdktf wraps a resource in `${}`, which Terraform's JSON syntax refuses there. */
export function addresses(resources: readonly TerraformResource[]): string[] {
  return resources.map((resource) => `${resource.terraformResourceType}.${resource.friendlyUniqueId}`);
}
