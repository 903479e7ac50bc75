/** Renders what all stacks have in common: provider, backend, secrets and overrides. */

import { LibvirtProvider } from '@cdktf/provider-libvirt/lib/provider';
import { TerraformStack, TerraformVariable } from 'cdktf';
import type { Construct } from 'constructs';
import { backendBlock } from './backend-block.ts';
import type { BackendIntent } from './intent.ts';
import { type JsonObject, merge } from './json.ts';
import { literal } from './literal.ts';

/** Adds the provider, the backend, secret variables and overrides to a stack. */
export abstract class LibvirtStack extends TerraformStack {
  private readonly backend: BackendIntent;
  private readonly overrides: JsonObject;
  private readonly secrets = new Map<string, string>();

  /** `overrides` is Terraform JSON, merged over ours: objects key by key, everything else (arrays too) replaced. */
  constructor(scope: Construct, id: string, uri: string, backend: BackendIntent, overrides: JsonObject = {}) {
    super(scope, id);
    this.backend = backend;
    this.overrides = overrides;
    new LibvirtProvider(this, 'libvirt', { uri: literal(uri) });
  }

  /** Keeps `value` out of plans and Terraform's output, but not out of the state. Returns a reference to it. */
  protected secret(name: string, value: string): string {
    this.secrets.set(name, value);
    return new TerraformVariable(this, name, { type: 'string', sensitive: true }).stringValue;
  }

  override toTerraform(): JsonObject {
    const json: JsonObject = super.toTerraform();
    // Replaces the `local` backend which cdktf adds where there is none.
    const terraform = { ...(json['terraform'] as JsonObject), backend: backendBlock(this.backend) };
    // Added after cdktf's own templates: Terraform reads the default of a variable as plain text.
    const variable = Object.fromEntries([...this.secrets].map(([name, value]) => [name, { default: value }]));
    return merge(merge({ ...json, terraform }, this.secrets.size > 0 ? { variable } : {}), this.overrides);
  }
}
