/** `limits` of the configuration: the deadline of a decision, and the numbers and rates of requests. */
import { z } from 'zod';

const rateFormat = z.number().int().min(1).max(1_000_000);

export const limitsFormat = z
  .strictObject({
    deadline_ms: z.number().int().min(10).max(60_000).default(1000),
    settle_after_ms: z.number().int().min(1000).max(86_400_000).default(900_000),
    in_flight: z.number().int().min(1).max(100_000).default(2000),
    agent_rate: rateFormat.default(500),
    failed_rate: rateFormat.default(200),
    connections: z.number().int().min(1).max(100_000).default(2000),
    streams: z.number().int().min(1).max(10_000).default(64),
    stream_idle_ms: z.number().int().min(100).max(60_000).default(15_000),
    stream_ms: z.number().int().min(1000).max(86_400_000).default(600_000),
  })
  .prefault({});

export interface LimitsConfig {
  /** Requests that are worked on at one time. */
  readonly inFlight: number;
  /** Requests a second of one agent (or user) that calls by itself, and of one agent through one client. */
  readonly agentRate: number;
  /** Failed authentications a second from one network. */
  readonly failedRate: number;
  /** Open connections of each listener. */
  readonly connections: number;
  /** Streams of records that are filtered at one time. */
  readonly streams: number;
  /** The time in which a stream's sender has to send a line, and its reader to take what it is answered. */
  readonly streamIdleMs: number;
  /** The time that a stream takes at most. */
  readonly streamMs: number;
}
