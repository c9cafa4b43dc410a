/** `/v1/consents/requests` and below: what agents ask their users to consent to, and what these decide. */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { makeConsent } from '../../govern/consents/make-consent.js';
import { describeNeed, sortNeeds, splitNeeds } from '../../govern/consents/sort-needs.js';
import { checkConsentDetails } from '../../govern/consents/requested-consent.js';
import { countDetailBytes, MAX_DETAILS_BYTES } from '../../govern/detail-limits.js';
import { checkGrantLimits } from '../../govern/limits/grant-limits.js';
import { omitUsedUp } from '../../govern/limits/list-remaining.js';
import { nameDeletion } from '../../govern/requested-details.js';
import type { Consent, RequestedConsent } from '../../model/consents.js';
import { BadRequest } from '../../model/faults.js';
import { isUuid } from '../../model/ids.js';
import { formatCallerId } from '../../model/question.js';
import type { Rules } from '../../policy/load.js';
import { completeLimits } from '../../policy/schema/limits-format.js';
import { yieldToEventLoop } from '../../runtime/yield.js';
import type { Service } from '../../service/service.js';
import type { StoredConsentRequest } from '../../store/consent-requests.js';
import { detailsCover } from '../../tokens/detail-narrowing.js';
import { resolveAskingParties } from '../asking-party.js';
import { checkPlainTexts, consentFormat, localeFormat, toConsentJson } from '../consent-json.js';
import { renderOffer } from '../consent-offer.js';
import {
  consentDecisionBody,
  consentNeedsBody,
  consentRequestFormat,
  MAX_NEEDED_ITEMS,
  sortedNeedsFormat,
  toConsentRequestJson,
  toSortedNeedsJson,
  type ConsentDecisionBody,
  type ConsentRequestJson,
} from '../consent-request-json.js';
import { authenticate } from '../edge/authentication.js';
import { createProblem, inputErrors, problemFormat } from '../edge/errors.js';
import { hasSignedInLately, sendSignInNeeded } from '../edge/recent-sign-in.js';
import { requireParty, requireUser } from '../edge/request-party.js';
import { requireGrantObjects, userReference } from '../grant-parties.js';
import { readEnd } from '../grant-terms.js';
import type { TypedApp } from '../typed-app.js';
import { TEXT_CHANGED, TOO_MANY_CONSENTS } from './consents.js';

const requestParams = z.object({ id: z.string().max(64) });
const textQuery = z.strictObject({ locale: localeFormat.optional() });
const requestListFormat = z.object({ requests: z.array(consentRequestFormat) }).meta({ id: 'ConsentRequestList' });
const NO_REQUEST = createProblem('not_found', 'There is no such request.');
const DECIDED = createProblem('conflict', 'The request has been decided already.');

export function consentRequestRoutes(app: TypedApp, service: Service): void {
  askForConsentRoute(app, service);
  readConsentRequestRoutes(app, service);
  decideConsentRequestRoute(app, service);
}

function askForConsentRoute(app: TypedApp, service: Service): void {
  app.post('/v1/consents/requests', {
    schema: {
      tags: ['consents'],
      summary: 'Ask the user for the consents that are missing; what waits already is not asked again',
      body: consentNeedsBody,
      response: { 200: sortedNeedsFormat, 201: sortedNeedsFormat, ...inputErrors },
    },
    onRequest: authenticate(app, service, ['evaluate', 'asserts_subject'], { agents: true }),
    handler: async (request, reply) => {
      const { needs, access, purpose, task, ...named } = request.body;
      const { rules } = service.activePolicies;
      const pair = await resolveAskingParties(request, service, named);
      checkPlainTexts(needs, 'needs');
      checkConsentDetails(needs, access, rules, 'needs');
      const split = splitNeeds(needs);
      if (split.length > MAX_NEEDED_ITEMS)
        throw new BadRequest(`must name at most ${MAX_NEEDED_ITEMS} actions together`, 'needs');
      // What a grant of all items could not hold isn't asked.
      if (countDetailBytes(split) > MAX_DETAILS_BYTES)
        throw new BadRequest(
          `must be at most ${MAX_DETAILS_BYTES} bytes long as JSON with a detail for each action: ask in several requests`,
          'needs',
        );
      const now = service.now();
      const stored = await service.consents.list(pair.user, pair.agent);
      const consents = await omitUsedUp(stored, service.limits, now);
      const sorted = sortNeeds(needs, { agent: pair.agent, access, purpose }, consents, rules, now);
      if (sorted.missing.length === 0) return reply.code(200).send(toSortedNeedsJson(sorted));
      const items = sorted.missing.map(({ detail }) => detail);
      const asked = { items, access, purpose, task };
      const earlier = await findAsked(await service.consentRequests.list(pair.user, pair.agent, now), asked);
      const by = formatCallerId(requireParty(request));
      if (earlier !== undefined) await service.consentRequests.join(earlier.id, by);
      const waiting = earlier ?? (await service.consentRequests.ask(pair, asked, by, now));
      if (waiting === undefined)
        return reply.code(429).send(createProblem('too_many', 'Too many requests wait for this user already.'));
      const url = `${app.getBaseUrl()}/v1/consents/requests/${waiting.id}`;
      const missing = waiting.request.items.map((detail) => describeNeed(detail, rules));
      return reply.code(201).send(toSortedNeedsJson({ ...sorted, missing }, { id: waiting.id, url }));
    },
  });
}

function readConsentRequestRoutes(app: TypedApp, service: Service): void {
  const onRequest = authenticate(app, service, ['evaluate', 'asserts_subject'], { agents: true, users: true });

  app.get('/v1/consents/requests', {
    schema: {
      tags: ['consents'],
      summary: 'Requests for consent, those that wait first: to the user, or of the agent for its user',
      response: { 200: requestListFormat, ...inputErrors },
    },
    onRequest,
    handler: async (request) => {
      const caller = requireParty(request);
      if (caller.kind === 'client' || caller.user === undefined)
        throw new BadRequest('This needs a token of a user, or of an agent for one.', '', 403, 'forbidden');
      const { agentObject } = requireGrantObjects(service);
      const agent = caller.kind === 'agent' ? { type: agentObject, id: caller.agent } : undefined;
      const all = await service.consentRequests.list(userReference(service, caller.user), agent, service.now());
      const { rules } = service.activePolicies;
      return { requests: all.map((stored) => toConsentRequestJson(stored, rules)) };
    },
  });

  app.get('/v1/consents/requests/:id', {
    schema: {
      tags: ['consents'],
      summary: 'One request for consent; for the user with the text that they are to read',
      params: requestParams,
      querystring: textQuery,
      response: { 200: consentRequestFormat, ...inputErrors, 404: problemFormat },
    },
    onRequest,
    handler: async (request, reply) => {
      const stored = await findVisibleRequest(service, request, request.params.id);
      if (stored === undefined) return reply.code(404).send(NO_REQUEST);
      const { rules } = service.activePolicies;
      const json: ConsentRequestJson = toConsentRequestJson(stored, rules);
      const text = requireParty(request).kind === 'user' ? await renderRequest(service, stored, rules) : {};
      return reply.send({ ...json, ...text });
    },
  });
}

function decideConsentRequestRoute(app: TypedApp, service: Service): void {
  app.post('/v1/consents/requests/:id/decision', {
    schema: {
      tags: ['consents'],
      summary: 'Grant a request for consent, as a whole or in parts, or deny it',
      params: requestParams,
      body: consentDecisionBody,
      response: { 201: consentFormat, 204: z.undefined(), ...inputErrors, 404: problemFormat, 409: problemFormat },
    },
    onRequest: authenticate(app, service, [], { users: true }),
    handler: async (request, reply) => {
      const caller = requireUser(request);
      const { body } = request;
      const now = service.now();
      const stored = await findVisibleRequest(service, request, request.params.id);
      if (stored === undefined) return reply.code(404).send(NO_REQUEST);
      if (stored.state !== 'pending') return reply.code(409).send(DECIDED);
      if (body.decision === 'deny') {
        if (await service.consentRequests.deny(stored, now)) return reply.code(204).send();
        return reply.code(409).send(DECIDED);
      }
      const details = selectItems(stored, body);
      const ends = readEnd(body, now);
      if (body.text_sha256 === undefined)
        throw new BadRequest('is required: the hash of the text that the user has read', 'text_sha256');
      const { rules } = service.activePolicies;
      const rendered = await renderRequest(service, stored, rules);
      if (body.text_sha256 !== rendered.text_sha256) return reply.code(409).send(TEXT_CHANGED);
      const { access, purpose, task } = stored.request;
      checkConsentDetails(details, access, rules, 'items');
      if (nameDeletion(details, rules) && !hasSignedInLately(caller, now)) return sendSignInNeeded(reply);
      const limits = completeLimits(body.limits ?? []);
      checkGrantLimits(limits, details, rules);
      const terms = { details, access, confirm: body.confirm ?? 'never', limits, ends, purpose, task };
      const { consent, evidence } = makeConsent(terms, caller, rendered, rules, now);
      if (!(await service.consents.add(stored, consent, evidence, now, stored.id))) {
        const current = await service.consentRequests.find(stored.id, now);
        if (current?.state === 'pending') return reply.code(429).send(TOO_MANY_CONSENTS);
        return reply.code(409).send(DECIDED);
      }
      return reply.code(201).send(toConsentJson({ ...stored, consent, evidence, version: '' }, now, rules));
    },
  });
}

/** Finds a request that the caller may see: one to the user, of the agent for its user, or one that the client asked for. */
async function findVisibleRequest(
  service: Service,
  request: FastifyRequest,
  id: string,
): Promise<StoredConsentRequest | undefined> {
  if (!isUuid(id)) return undefined;
  const stored = await service.consentRequests.find(id, service.now());
  const caller = requireParty(request);
  if (stored === undefined) return undefined;
  const isVisible =
    caller.kind === 'client'
      ? stored.askedBy.includes(caller.client.id)
      : stored.user.id === caller.user && (caller.kind === 'user' || stored.agent.id === caller.agent);
  return isVisible ? stored : undefined;
}

function renderRequest(
  service: Service,
  { user, agent, request }: StoredConsentRequest,
  rules: Rules,
): ReturnType<typeof renderOffer> {
  const { items, access, purpose, task } = request;
  return renderOffer(service, { user, agent }, { details: items, access, purpose, task }, rules);
}

/** Finds a request that waits and asks for all of it. Others have their turn between the requests. */
async function findAsked(
  requests: readonly StoredConsentRequest[],
  asked: RequestedConsent,
): Promise<StoredConsentRequest | undefined> {
  for (const request of requests) {
    if (isAsked(request, asked)) return request;
    await yieldToEventLoop();
  }
  return undefined;
}

/** Whether a request that waits asks for all of it already. */
function isAsked(
  { state, request }: StoredConsentRequest,
  { items, access, purpose, task }: RequestedConsent,
): boolean {
  return (
    state === 'pending' &&
    request.access === access &&
    request.purpose === purpose &&
    request.task === task &&
    detailsCover(request.items, items)
  );
}

/** The items that are granted. @throws BadRequest */
function selectItems({ request }: StoredConsentRequest, { items }: ConsentDecisionBody): Consent['details'] {
  if (items === undefined) return request.items;
  return [...new Set(items)].map((index, i) => {
    const item = request.items[index];
    if (item === undefined) throw new BadRequest('is no index into "missing"', `items[${i}]`);
    return item;
  });
}
