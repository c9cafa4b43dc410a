/** `limits` of the configuration: how long, how often, how many. */
import { z } from 'zod';

const rateFormat = z.number().int().min(1).max(1_000_000);

export const limitsFormat = z
  .strictObject({
    deadline_ms: z.number().int().min(10).max(60_000).default(1000),
    in_flight: z.number().int().min(1).max(100_000).default(1000),
    agent_rate: rateFormat.default(500),
    failed_rate: rateFormat.default(200),
    connections: z.number().int().min(1).max(100_000).default(2000),
  })
  .prefault({});

export interface LimitsConfig {
  /** Requests that are worked on at one time. */
  readonly inFlight: number;
  /** Requests a second of one agent (or user) that calls by itself, and of one agent through one client. */
  readonly agentRate: number;
  /** Failed authentications a second from one address. */
  readonly failedRate: number;
  /** Open at once, for each listener. */
  readonly connections: number;
}
