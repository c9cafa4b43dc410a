/** Decisions of the running sample, as an admin reads them. */
import type { ReplayableRecord } from '../../../src/model/decision.js';
import type { Running } from '../../support/sample.js';

/** Asks, and reads the record back. */
export async function decided(remit: Running, body: object): Promise<ReplayableRecord> {
  const { context } = await remit.evaluate(body);
  return (await remit.request('GET', `/v1/decisions/${context?.id ?? ''}`)).json();
}
