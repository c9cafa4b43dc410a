/** The user and the agent of a consent, as the schema has users and agents, and the text that is rendered for them. */
import { renderConsentText, type OfferedTerms, type RenderedText } from '../govern/consents/consent-text.js';
import type { ConsentPair } from '../model/consents.js';
import { BadRequest } from '../model/faults.js';
import type { EntityRef } from '../model/ids.js';
import type { Service } from '../service/service.js';

type PartyService = Pick<Service, 'activePolicies' | 'entities'>;

/** The definitions of users and agents. @throws BadRequest where the schema has none */
export function requireConsentObjects({ activePolicies }: Pick<Service, 'activePolicies'>): {
  readonly userObject: string;
  readonly agentObject: string;
} {
  const { userObject, agentObject } = activePolicies.rules.vocabulary;
  if (userObject === undefined || agentObject === undefined)
    throw new BadRequest('The schema has no users and agents to consent between.', '', 404, 'not_found');
  return { userObject, agentObject };
}

export function userReference(service: PartyService, user: string): EntityRef {
  return { type: requireConsentObjects(service).userObject, id: user };
}

/** Renders the text of what is offered, with the agent's stored name. @throws Fault */
export async function renderOffer(
  service: PartyService,
  pair: ConsentPair,
  terms: OfferedTerms,
): Promise<RenderedText> {
  const [agent] = await service.entities.lookup([pair.agent]);
  const name = agent?.attributes['name'];
  const agentName = typeof name === 'string' ? name : undefined;
  return renderConsentText({ ...pair, agentName }, terms, service.activePolicies.rules);
}
