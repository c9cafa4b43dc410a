/** Bursts of questions: as many as a burst has, in the time of one. */
import { describe, expect, it } from 'vitest';
import type { AgentUse } from '../../../src/records/usage/agent-use.js';
import { BURST_MS, BURST_SIZE, findBursts } from '../../../src/records/usage/bursts.js';

const START = Date.parse('2030-03-04T10:00:00Z');
const at = (ms: number): string => new Date(START + ms).toISOString();
const asked = (ms: number, over: Partial<AgentUse> = {}): AgentUse => ({
  id: `at-${ms}`,
  at: at(ms),
  agent: 'agent:bot',
  user: 'user:ann',
  through: [],
  action: 'read',
  resourceType: 'doc',
  resources: [],
  outcome: 'done',
  reason: undefined,
  access: 'online',
  properties: {},
  scopes: [],
  consent: undefined,
  ...over,
});
const evenly = (count: number, ms: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.round((i * ms) / (count - 1)));

describe('a burst', () => {
  it('is so many questions in so short a time, in whatever order they are told', () => {
    const uses = evenly(BURST_SIZE, BURST_MS).map((ms, i) => asked(ms, i < 3 ? { outcome: 'denied' } : {}));
    const burst = { agent: 'agent:bot', from: at(0), to: at(BURST_MS), decisions: BURST_SIZE, denied: 3 };
    expect(findBursts(uses)).toEqual([burst]);
    expect(findBursts(uses.toReversed())).toEqual([burst]);
  });

  it('is not one question fewer, nor a longer time', () => {
    expect(findBursts(evenly(BURST_SIZE - 1, BURST_MS).map((ms) => asked(ms)))).toEqual([]);
    expect(findBursts(evenly(BURST_SIZE, BURST_MS + 1000).map((ms) => asked(ms)))).toEqual([]);
  });

  it('is one where several overlap, and two where there is a pause', () => {
    const first = evenly(3 * BURST_SIZE, 2 * BURST_MS);
    const second = evenly(BURST_SIZE, 1000).map((ms) => ms + 10 * BURST_MS);
    const bursts = findBursts([...second, ...first].map((ms) => asked(ms)));
    expect(bursts.map(({ decisions, from }) => [decisions, from])).toEqual([
      [3 * BURST_SIZE, at(0)],
      [BURST_SIZE, at(10 * BURST_MS)],
    ]);
  });

  it('is of one agent, and counts a list of several types once', () => {
    const times = evenly(BURST_SIZE, 1000);
    const halves = times.map((ms, i) => asked(ms, { agent: i % 2 === 0 ? 'agent:bot' : 'agent:other' }));
    const twice = times.slice(0, BURST_SIZE - 1).flatMap((ms) => [asked(ms), asked(ms, { resourceType: 'team' })]);
    expect([findBursts(halves), findBursts(twice)]).toEqual([[], []]);
  });
});
