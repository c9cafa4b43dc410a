/** Something that is looked at again and again: often while somebody needs it, now and then while nobody does. */

/** Between two looks, in milliseconds. */
const OFTEN_MS = 100;
const NOW_AND_THEN_MS = 1_000;

export class Pulse {
  private wanted = false;
  /** Undefined while it looks, and once it has ended. */
  private next: NodeJS.Timeout | undefined;
  private ended = false;

  /** @param look is not called again before it is done. Never throws */
  constructor(private readonly look: () => Promise<void>) {
    void this.beat();
  }

  /** Somebody needs it: the next look is soon. */
  want(): void {
    const resting = !this.wanted && this.next !== undefined;
    this.wanted = true;
    if (!resting) return;
    clearTimeout(this.next);
    this.rest();
  }

  end(): void {
    this.ended = true;
    clearTimeout(this.next);
  }

  private async beat(): Promise<void> {
    this.next = undefined;
    this.wanted = false;
    await this.look();
    this.rest();
  }

  private rest(): void {
    if (this.ended) return;
    this.next = setTimeout(() => void this.beat(), this.wanted ? OFTEN_MS : NOW_AND_THEN_MS);
    this.next.unref();
  }
}
