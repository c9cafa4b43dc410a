/** `/v1/consents` and below: what a user has consented to. */
import { z } from 'zod';
import { isUuid } from '../../model/ids.js';
import { keepBasis } from '../../govern/consents/consent-basis.js';
import { makeConsent } from '../../govern/consents/make-consent.js';
import { narrowConsent } from '../../govern/consents/narrow-consent.js';
import { checkConsentDetails } from '../../govern/consents/requested-consent.js';
import { checkGrantLimits } from '../../govern/limits/grant-limits.js';
import { nameDeletion } from '../../govern/requested-details.js';
import { completeLimits } from '../../policy/schema/limits-format.js';
import type { Service } from '../../service/service.js';
import {
  checkConsentPeriod,
  checkPlainTexts,
  consentBody,
  consentFormat,
  consentTextFormat,
  isOver,
  localeFormat,
  narrowedConsentBody,
  shortTextFormat,
  toConsentJson,
} from '../consent-json.js';
import { renderOffer } from '../consent-offer.js';
import { authenticate, type AuthenticationHooks } from '../edge/authentication.js';
import { createProblem, inputErrors, problemFormat } from '../edge/errors.js';
import { hasSignedInLately, sendSignInNeeded } from '../edge/recent-sign-in.js';
import { requireUser } from '../edge/request-party.js';
import { readPartyReference, requireGrantObjects, userReference } from '../grant-parties.js';
import { agentFormat, readEnd, requireFuture } from '../grant-terms.js';
import type { TypedApp } from '../typed-app.js';

const consentParams = z.object({ id: z.string().max(64) });
const offerQuery = z.strictObject({
  preview: z.enum(['true', 'false']).optional().describe('`true`: only the text that the user is to read is answered'),
  locale: localeFormat.optional(),
});
const consentsQuery = z.strictObject({ agent: agentFormat.optional(), task: shortTextFormat.optional() });
const consentListFormat = z.object({ consents: z.array(consentFormat) }).meta({ id: 'ConsentList' });
const NO_CONSENT_FOUND = createProblem('not_found', 'There is no such consent.');
export const TEXT_CHANGED = createProblem(
  'text_changed',
  'The text, or what it stands for, is not what was read any longer: have it read again.',
  'text_sha256',
);
export const TOO_MANY_CONSENTS = createProblem(
  'too_many',
  'There are too many consents in force, or they are too long: withdraw those that are not needed.',
);
/** Changes of one consent by others that a change may meet. */
const MAX_CONSENT_RACES = 5;

export function consentRoutes(app: TypedApp, service: Service): void {
  const onRequest = authenticate(app, service, [], { users: true });
  giveConsentRoute(app, service, onRequest);
  readConsentRoutes(app, service, onRequest);
  narrowConsentRoute(app, service, onRequest);
  withdrawConsentRoute(app, service, onRequest);
}

function giveConsentRoute(app: TypedApp, service: Service, onRequest: AuthenticationHooks): void {
  app.post('/v1/consents', {
    schema: {
      tags: ['consents'],
      summary: 'Consent to what an agent does, or, with `?preview=true`, render what the user is to read first',
      querystring: offerQuery,
      body: consentBody,
      response: { 200: consentTextFormat, 201: consentFormat, ...inputErrors, 409: problemFormat },
    },
    onRequest,
    handler: async (request, reply) => {
      const caller = requireUser(request);
      const { body, query } = request;
      const now = service.now();
      const { userObject, agentObject } = requireGrantObjects(service);
      const pair = {
        user: { type: userObject, id: caller.user },
        agent: readPartyReference(body.agent, agentObject, 'agent'),
      };
      const { details, access, confirm, when, starts = now.toISOString(), purpose, task } = body;
      const limits = completeLimits(body.limits ?? []);
      const { rules } = service.activePolicies;
      checkPlainTexts(details, 'details');
      checkConsentDetails(details, access, rules, 'details');
      checkGrantLimits(limits, details, rules);
      const ends = readEnd(body, now);
      checkConsentPeriod({ starts, ends });
      const offer = { details, access, confirm, when, limits, starts: body.starts, ends, purpose, task };
      const rendered = await renderOffer(service, pair, { ...offer, untilEnded: ends === undefined }, rules);
      if (query.preview === 'true') return reply.code(200).send(rendered);
      if (nameDeletion(details, rules) && !hasSignedInLately(caller, now)) return sendSignInNeeded(reply);
      if (body.text_sha256 !== undefined && body.text_sha256 !== rendered.text_sha256)
        return reply.code(409).send(TEXT_CHANGED);
      const terms = { details, access, confirm, when, limits, starts, ends, purpose, task };
      const { consent, evidence } = makeConsent(terms, caller, rendered, rules, now);
      if (!(await service.consents.add(pair, consent, evidence, now))) return reply.code(429).send(TOO_MANY_CONSENTS);
      return reply.code(201).send(toConsentJson({ ...pair, consent, evidence, version: '' }, now, rules));
    },
  });
}

function readConsentRoutes(app: TypedApp, service: Service, onRequest: AuthenticationHooks): void {
  app.get('/v1/consents', {
    schema: {
      tags: ['consents'],
      summary: 'What the user has consented to, the newest first; of those that have ended, the last',
      querystring: consentsQuery,
      response: { 200: consentListFormat, ...inputErrors },
    },
    onRequest,
    handler: async (request) => {
      const { agent, task } = request.query;
      const { agentObject } = requireGrantObjects(service);
      const all = await service.consents.list(
        userReference(service, requireUser(request).user),
        agent === undefined ? undefined : readPartyReference(agent, agentObject, 'agent'),
      );
      const listed = all.filter(({ consent }) => task === undefined || consent.task === task);
      return { consents: listed.map((stored) => toConsentJson(stored, service.now(), service.activePolicies.rules)) };
    },
  });

  app.get('/v1/consents/:id', {
    schema: {
      tags: ['consents'],
      summary: 'One consent of the user',
      params: consentParams,
      response: { 200: consentFormat, ...inputErrors, 404: problemFormat },
    },
    onRequest,
    handler: async (request, reply) => {
      const stored = await findOwnConsent(service, requireUser(request).user, request.params.id);
      return stored === undefined
        ? reply.code(404).send(NO_CONSENT_FOUND)
        : reply.send(toConsentJson(stored, service.now(), service.activePolicies.rules));
    },
  });
}

function narrowConsentRoute(app: TypedApp, service: Service, onRequest: AuthenticationHooks): void {
  app.patch('/v1/consents/:id', {
    schema: {
      tags: ['consents'],
      summary: 'Narrow a consent',
      params: consentParams,
      body: narrowedConsentBody,
      response: { 200: consentFormat, ...inputErrors, 404: problemFormat, 409: problemFormat },
    },
    onRequest,
    handler: async (request, reply) => {
      const { limits, ...others } = request.body;
      const change = { ...others, limits: limits && completeLimits(limits) };
      const { rules } = service.activePolicies;
      for (let race = 1; race <= MAX_CONSENT_RACES; race += 1) {
        const now = service.now();
        const stored = await findOwnConsent(service, requireUser(request).user, request.params.id);
        if (stored === undefined) return reply.code(404).send(NO_CONSENT_FOUND);
        if (isOver(stored, now, rules))
          return reply.code(409).send(createProblem('conflict', 'The consent has ended.'));
        if (change.details !== undefined) {
          checkPlainTexts(change.details, 'details');
          checkConsentDetails(change.details, stored.consent.access, rules, 'details');
        }
        if (change.ends !== undefined) requireFuture(change.ends, now);
        const narrowed = narrowConsent(stored.consent, change);
        checkGrantLimits(change.limits ?? [], narrowed.details, rules, stored.consent.limits);
        const consent = { ...narrowed, basis: keepBasis(narrowed, rules) };
        checkConsentPeriod(consent);
        if (await service.consents.replace(stored, consent, now))
          return reply.send(toConsentJson({ ...stored, consent }, now, rules));
      }
      return reply.code(409).send(createProblem('conflict', 'The consent is changed by others at the same time.'));
    },
  });
}

function withdrawConsentRoute(app: TypedApp, service: Service, onRequest: AuthenticationHooks): void {
  app.delete('/v1/consents/:id', {
    schema: {
      tags: ['consents'],
      summary: 'Withdraw a consent: the next decision no longer rests on it',
      params: consentParams,
      response: { 204: z.undefined(), ...inputErrors, 404: problemFormat },
    },
    onRequest,
    handler: async (request, reply) => {
      const { id } = request.params;
      const user = userReference(service, requireUser(request).user);
      const isThere = isUuid(id) && (await service.consents.withdraw(user, id, service.now()));
      return isThere ? reply.code(204).send() : reply.code(404).send(NO_CONSENT_FOUND);
    },
  });
}

/** Finds a consent of the user; another's counts as absent. */
async function findOwnConsent(service: Service, user: string, id: string): ReturnType<Service['consents']['find']> {
  return isUuid(id) ? service.consents.find(userReference(service, user), id) : undefined;
}
