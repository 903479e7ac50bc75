/** Says how many states are kept by default: in a file of its own, since every command reads it at its start. */

/** Earlier serials of each Terraform state. */
export const KEPT_SERIALS = 5;
