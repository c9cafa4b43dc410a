/** The text of a consent that a user is offered. */
import { renderConsentText, type OfferedTerms, type RenderedText } from '../govern/consents/consent-text.js';
import type { ConsentPair } from '../model/consents.js';
import type { Rules } from '../policy/load.js';
import type { Service } from '../service/service.js';

/**
 * Renders the text of what is offered, with the agent's stored name.
 * @param rules those that the consent will rest on, too
 * @throws Fault
 */
export async function renderOffer(
  service: Pick<Service, 'entities'>,
  pair: ConsentPair,
  terms: OfferedTerms,
  rules: Rules,
): Promise<RenderedText> {
  const [agent] = await service.entities.lookup([pair.agent]);
  const name = agent?.attributes['name'];
  const agentName = typeof name === 'string' ? name : undefined;
  return renderConsentText({ ...pair, agentName }, terms, rules);
}
