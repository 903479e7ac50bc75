/** What a plan or an apply does to one resource. */

/** As Terraform names them; `no-op` is spelled `noop` here as there. */
export type ChangeAction =
  | 'noop'
  | 'create'
  | 'read'
  | 'update'
  | 'replace'
  | 'delete'
  | 'move'
  | 'import'
  | 'remove';

export interface ResourceChange {
  readonly address: string;
  /** For example `libvirt_volume`. */
  readonly type: string;
  readonly name: string;
  readonly action: ChangeAction;
  /** Terraform's reason, for example `cannot_update`, `tainted`, `delete_because_no_resource_config`. */
  readonly reason?: string;
}
