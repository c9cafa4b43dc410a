/** Work that takes turns: so much of it at once, and what an answer hangs on before what only explains one. */
export class Turns {
  private active = 0;
  private readonly needed: (() => void)[] = [];
  private readonly wanted: (() => void)[] = [];

  constructor(private readonly atOnce: number) {}

  async take<T>(need: 'needed' | 'wanted', work: () => Promise<T>): Promise<T> {
    if (this.active >= this.atOnce) await new Promise<void>((resolve) => this[need].push(resolve));
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
