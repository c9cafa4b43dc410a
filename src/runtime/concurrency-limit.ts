/** Work that takes turns: so much of it at once, and what an answer hangs on before what only explains one. */
export class ConcurrencyLimit {
  private active = 0;
  private readonly needed: (() => void)[] = [];
  private readonly wanted: (() => void)[] = [];

  constructor(private readonly limit: number) {}

  async run<T>(priority: 'needed' | 'wanted', work: () => Promise<T>): Promise<T> {
    if (this.active >= this.limit) await new Promise<void>((resolve) => this[priority].push(resolve));
    else this.active += 1;
    try {
      return await work();
    } finally {
      // Whoever is next takes this place over.
      const next = this.needed.shift() ?? this.wanted.shift();
      if (next === undefined) this.active -= 1;
      else next();
    }
  }
}
