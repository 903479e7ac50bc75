/** What the queue does next: nothing until something changes, or another look after a while. */
export interface Result {
  readonly requeueAfterMs?: number;
}
