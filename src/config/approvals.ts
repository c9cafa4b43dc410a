/** `approvals` of the configuration: how long people may take to answer access requests, and how long their yes is good. */
import { z } from 'zod';
import { boundedDurationFormat } from './durations.js';

export const approvalsFormat = z
  .strictObject({
    open: z.number().int().min(1).max(1000).default(20),
    waiting: boundedDurationFormat('PT1M', 'P30D').prefault('P1D'),
    once: boundedDurationFormat('PT1M', 'P1D').prefault('PT15M'),
    until_max: boundedDurationFormat('PT1M', 'P90D').prefault('P1D'),
    cooldown: boundedDurationFormat('PT0S', 'P7D').prefault('PT1H'),
  })
  .prefault({});

export interface ApprovalsConfig {
  /** The tasks of a user by one agent that may be open. */
  readonly open: number;
  /** The time in milliseconds in which a task can be answered. */
  readonly waitingMs: number;
  /** The time in milliseconds in which an approval for one use is good. */
  readonly onceMs: number;
  /** The longest time in milliseconds that an approval for more than one use can be good. */
  readonly untilMaxMs: number;
  /** The time in milliseconds after a no in which the same can't be asked again. */
  readonly cooldownMs: number;
}

export function resolveApprovals({
  open,
  waiting,
  once,
  until_max,
  cooldown,
}: z.output<typeof approvalsFormat>): ApprovalsConfig {
  // prettier-ignore
  return { open, waitingMs: waiting, onceMs: once, untilMaxMs: until_max, cooldownMs: cooldown };
}
