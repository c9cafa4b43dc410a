/** Stored entities that a schema doesn't fit are named when it comes into force. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Fault } from '../../src/model/faults.js';
import { describeUnfitEntities } from '../../src/service/unfit-entities.js';
import { start, type Running } from '../support/sample.js';

describe('stored entities', () => {
  let remit: Running;
  beforeAll(async () => {
    remit = await start();
    return () => remit.stop();
  });

  const describeAll = (): Promise<string[]> =>
    describeUnfitEntities(remit.service.entities, remit.service.activePolicies.rules);

  it('that all fit need no line', async () => expect(await describeAll()).toEqual([]));

  it('that do not fit are named, up to ten, on whatever page they are', async () => {
    const agent = (id: string, attributes: Record<string, unknown>) => ({ type: 'agent', id, attributes, parents: [] });
    const good = Array.from({ length: 1500 }, (_, i) => agent(`fits-${i}`, { kind: 'x' }));
    await remit.service.entities.put(good);
    await remit.service.entities.put([agent('zz', { suspened: true })]);
    expect(await describeAll()).toEqual([
      expect.stringMatching(
        /^the stored entity agent:zz does not fit the Cedar schema: attributes\.suspened is not declared .*\(did you mean "suspended"\?\)$/,
      ),
    ]);
    await remit.service.entities.put(Array.from({ length: 12 }, (_, i) => agent(`zz${i}`, { suspended: 'yes' })));
    const lines = await describeAll();
    expect(lines).toHaveLength(11);
    expect(lines.at(-1)).toBe('and 3 more stored entities do not fit it');
  });

  it('that can not be read are a line, and nothing fails', async () => {
    const store = { page: () => Promise.reject(new Fault('database_unavailable')) };
    expect(await describeUnfitEntities(store, remit.service.activePolicies.rules)).toEqual([
      expect.stringMatching(/^stored entities could not be held against the Cedar schema: /),
    ]);
  });
});
