/** Decisions of the running sample, as an admin reads them. */
import type { RecordedEntity } from '../../../src/model/entities.js';
import type { ReplayableRecord } from '../../../src/model/decision.js';
import { decodeId, formatRef } from '../../../src/model/ids.js';
import type { Running } from '../../support/sample.js';

/** Asks, and reads the record back. */
export async function decided(remit: Running, body: object): Promise<ReplayableRecord> {
  const { context } = await remit.evaluate(body);
  return (await remit.request('GET', `/v1/decisions/${context?.id ?? ''}?values=true`)).json();
}

/**
 * The record with all that is stored of its entities and of its resource, as records had it before they kept only what policies read. Other
 * rules may read something else of them.
 */
export async function withAllStored(remit: Running, record: ReplayableRecord): Promise<ReplayableRecord> {
  const { resource } = record.request;
  const texts = [...new Set([...Object.keys(record.facts.entities ?? {}), formatRef(resource)])];
  const refs = texts.map((text) => {
    const [type = '', id = ''] = text.split(':');
    return { type, id: decodeId(id) };
  });
  const stored = await remit.service.entities.lookup(refs);
  const entities: [string, RecordedEntity | null][] = texts.map((text, i) => {
    const { attributes = {}, ancestors = [] } = stored[i] ?? {};
    return [text, stored[i] === undefined ? null : { attributes, ancestors }];
  });
  return { ...record, facts: { ...record.facts, entities: Object.fromEntries(entities) } };
}
