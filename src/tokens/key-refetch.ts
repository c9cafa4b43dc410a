/**
 * Fetches an issuer's keys again where a token names a key that isn't among them: the issuer may have rotated them. Strangers
 * can send such a token, so the pauses between fetches grow while these bring nothing new.
 */

/** The pause after a fetch, and the longest that it grows to. */
const REFETCH_PAUSE_MS = 1_000;
const MAX_REFETCH_PAUSE_MS = 5_000;

export class KeyRefetcher {
  private pause = REFETCH_PAUSE_MS;
  private notBefore = -Infinity;
  private pending: Promise<void> | undefined;

  /**
   * @param fetch fetches the keys
   * @param describe returns a text that differs where the keys do
   */
  constructor(
    private readonly fetch: () => Promise<void>,
    private readonly describe: () => string,
  ) {}

  /**
   * Fetches the keys, unless that is paused. Callers that come meanwhile wait for the same fetch.
   * @returns whether the keys were fetched
   * @throws as `fetch`
   */
  async refetch(): Promise<boolean> {
    if (this.pending === undefined) {
      if (performance.now() < this.notBefore) return false;
      this.pending = this.fetchOnce().finally(() => {
        this.pending = undefined;
      });
    }
    await this.pending;
    return true;
  }

  /** Begins a pause: the keys were fetched, for whatever reason. */
  noteFetch(): void {
    this.notBefore = performance.now() + this.pause;
  }

  private async fetchOnce(): Promise<void> {
    const before = this.describe();
    try {
      await this.fetch();
    } finally {
      const isNew = this.describe() !== before;
      this.pause = isNew ? REFETCH_PAUSE_MS : Math.min(2 * this.pause, MAX_REFETCH_PAUSE_MS);
      this.noteFetch();
    }
  }
}
