/** Runs single Terraform operations, each in a session of its own. */

import type { Call } from '../../src/terraform/call.ts';
import type { Plan } from '../../src/terraform/format/plan.ts';
import type { SessionOptions, TerraformSession } from '../../src/terraform/session.ts';
import type { Terraform } from '../../src/terraform/terraform.ts';
import type { Workspace } from '../../src/terraform/workspace.ts';

type PlanOptions = SessionOptions & { readonly save?: boolean };
type ApplyOptions = SessionOptions & { readonly plan?: Plan } & Pick<Call, 'explainHang'>;

/** Runs that follow no other: each in a session of its own. */
export class OneShot {
  readonly terraform: Terraform;

  constructor(terraform: Terraform) {
    this.terraform = terraform;
  }

  plan(workspace: Workspace, config: object, { save = false, ...options }: PlanOptions) {
    return this.#once('plan', workspace, options, (session) => session.plan(config, { save }));
  }

  apply(workspace: Workspace, config: object, { plan, explainHang, ...options }: ApplyOptions) {
    const what = { plan, explainHang };
    return this.#once('apply', workspace, options, (session) => session.apply(config, what));
  }

  destroy(workspace: Workspace, config: object, options: SessionOptions) {
    return this.#once('destroy', workspace, options, (session) => session.destroy(config));
  }

  explain(workspace: Workspace, plan: Plan, options: SessionOptions) {
    return this.#once('show', workspace, options, (session) => session.explain(plan));
  }

  state(workspace: Workspace) {
    return this.terraform.state(workspace);
  }

  restartProvider(...[key]: Parameters<Terraform['restartProvider']>) {
    return this.terraform.restartProvider(key);
  }

  close() {
    return this.terraform.close();
  }

  async #once<T>(
    operation: string,
    workspace: Workspace,
    options: SessionOptions,
    work: (session: TerraformSession) => Promise<T>,
  ): Promise<T> {
    const session = await this.terraform.open(workspace, { operation, ...options });
    try {
      return await work(session);
    } finally {
      await session.release();
    }
  }
}
