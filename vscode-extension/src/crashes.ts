/** Counts the ends of the server, so that one that crashes in a loop is left alone. */

/** So many ends in this time are a loop. */
export const MOST = 5;
export const WITHIN_MS = 180_000;

/** Remembers when the server ended. */
export class Crashes {
  private ends: number[] = [];

  /** An end; `true` when the server may be started again. */
  mayRestart(now: number): boolean {
    this.ends = [...this.ends.filter((end) => now - end < WITHIN_MS), now];
    return this.ends.length < MOST;
  }

  /** The user started it: the count begins anew. */
  forget(): void {
    this.ends = [];
  }
}
