/** What an engine's adapter counts of its calls, for metrics and health. */

export interface CircuitStats {
  readonly state: 'closed' | 'open' | 'half_open';
  /** How many times it has opened. */
  readonly opened: number;
  /** Calls that were refused because it was open. */
  readonly refused: number;
}

/** What is under way at an engine, in plain numbers. */
export interface EngineStats {
  readonly active: number;
  /** Calls that wait for one of those to end. */
  readonly waiting: number;
  /** Only before a server. */
  readonly circuit: CircuitStats | undefined;
}
