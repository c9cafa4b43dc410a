/**
 * Fetches an issuer's keys again where a token names a key that isn't among them: the issuer may have rotated them. Strangers
 * can send such tokens, so there is one fetch a second at most. A key that comes within that second waits for its end, and
 * the token that named it isn't waited for, so that strangers can't hold requests up.
 */

/** The pause after a fetch. */
export const REFETCH_PAUSE_MS = 1_000;

export class KeyRefetcher {
  private notBefore = -Infinity;
  private pending: Promise<void> | undefined;
  private planned: NodeJS.Timeout | undefined;

  /** @param fetch fetches the keys */
  constructor(private readonly fetch: () => Promise<void>) {}

  /**
   * Fetches the keys; in a pause, once it ends. Callers that come while they are fetched wait for the same fetch.
   * @returns whether the keys were fetched
   * @throws as `fetch`
   */
  async refetch(): Promise<boolean> {
    if (this.pending === undefined) {
      const pause = this.notBefore - performance.now();
      if (pause > 0) {
        this.planFetch(pause);
        return false;
      }
      this.pending = this.fetchOnce().finally(() => {
        this.pending = undefined;
      });
    }
    await this.pending;
    return true;
  }

  /** Begins a pause: the keys were fetched, for whatever reason. */
  noteFetch(): void {
    this.notBefore = performance.now() + REFETCH_PAUSE_MS;
  }

  private planFetch(pause: number): void {
    this.planned ??= setTimeout(() => {
      this.planned = undefined;
      // The next token that needs the keys tells why they can't be had.
      this.refetch().catch(() => undefined);
    }, Math.ceil(pause)).unref();
  }

  private async fetchOnce(): Promise<void> {
    try {
      await this.fetch();
    } finally {
      this.noteFetch();
    }
  }
}
