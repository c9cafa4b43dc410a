/** `/v1/reviews` and `/v1/decisions/{id}/review`: people look at what was allowed, after the fact. */
import { z } from 'zod';
import { readDecisionId } from '../../decide/decision-id.js';
import { selectHeld } from '../../govern/permission-holders.js';
import { GraphSnapshot } from '../../graph/snapshot.js';
import { describeRef, formatRef, isSameRef, type EntityRef } from '../../model/ids.js';
import { formatCallerId, type Properties } from '../../model/question.js';
import type { Service } from '../../service/service.js';
import { reviewKey, type ReviewConclusion, type ReviewState, type StoredReview } from '../../store/reviews.js';
import { authenticate } from '../edge/authentication.js';
import { CallPlaces } from '../edge/call-places.js';
import { createProblem, inputErrors, problemFormat } from '../edge/errors.js';
import { requireParty, requireUser } from '../edge/request-party.js';
import { userReference } from '../grant-parties.js';
import { nextPageFormat, PageTokens } from '../page-token.js';
import { queryNumber } from '../query-number.js';
import { endBehind } from '../reviewed-grants.js';
import type { TypedApp } from '../typed-app.js';
import { readVisiblePage, type PageSource } from '../visible-page.js';

const MAX_LISTED_REVIEWS = 200;
const DEFAULT_LISTED_REVIEWS = 50;
/** Items that are looked at for a page, of which the caller may hold the permission of few. */
const REVIEW_PAGE_BOUNDS = { roundSize: 250, rounds: 4 };
/** Lists and verdicts that are worked on at one time. */
const MAX_REVIEW_CALLS = 4;

const reviewsQuery = z.strictObject({
  state: z.enum(['open', 'closed', 'overdue']).default('open').describe('`open` has those that are overdue as well'),
  limit: queryNumber(1, MAX_LISTED_REVIEWS, DEFAULT_LISTED_REVIEWS),
  page_token: z.string().max(4096).optional().describe('`next_token` of the page before'),
});
const reviewParams = z.object({ id: z.string().max(64).describe('The decision') });
const verdictBody = z
  .strictObject({
    verdict: z.enum(['right', 'wrong']),
    note: z.string().trim().min(1).max(2000),
    end: z
      .literal(true)
      .optional()
      .describe('Of "wrong": the delegation and the consent behind it end, where the reviewer is its user or an admin'),
  })
  .refine(({ verdict, end }) => end === undefined || verdict === 'wrong', {
    message: 'is for the verdict "wrong"',
    path: ['end'],
  })
  .meta({
    id: 'ReviewVerdict',
    example: { verdict: 'wrong', note: 'The branch was not to be merged yet.', end: true },
  });
const conclusionFormat = z
  .object({
    decision: z.string(),
    verdict: z.enum(['right', 'wrong']),
    note: z.string(),
    ended: z.boolean().describe('Whether what it rested on was ended'),
  })
  .meta({ id: 'ReviewConclusion' });
const reviewFormat = z
  .object({
    decision: z.string(),
    permission: z.string().describe('Its holders on the resource review it'),
    action: z.string(),
    properties: z
      .record(z.string(), z.unknown())
      .optional()
      .describe(
        'What the question stated of the action that can decide; left out where that is nothing, or longer than 16 KiB',
      ),
    resource: z.object({ type: z.string(), id: z.string() }),
    user: z.string().optional(),
    agents: z.array(z.string()).describe('The agent that acted, then the earlier ones'),
    own: z.literal(true).optional().describe('It was done for the caller, who can say no more than that it was wrong'),
    state: z.enum(['open', 'closed', 'overdue']),
    opened: z.string(),
    due: z.string(),
    closed: z.string().optional(),
    verdict: z.enum(['right', 'wrong']).optional(),
    note: z.string().optional(),
    reviewer: z.string().optional(),
    ended: z.boolean().optional(),
  })
  .meta({
    id: 'Review',
    example: {
      decision: '0199b6a0-5c1e-7c1a-9f0e-2d1c3b4a5f60',
      permission: 'audit',
      action: 'merge',
      properties: { branch: 'main' },
      resource: { type: 'repository', id: 'api' },
      user: 'user:maria',
      agents: ['agent:merge-bot'],
      state: 'open',
      opened: '2030-03-04T10:00:00.000Z',
      due: '2030-03-07T10:00:00.000Z',
    },
  });
const reviewListFormat = z.object({ page: nextPageFormat, results: z.array(reviewFormat) }).meta({ id: 'ReviewList' });
const NO_REVIEW = createProblem('not_found', 'There is no such decision to review.');

export function reviewListRoutes(app: TypedApp, service: Service): void {
  const pageTokens = new PageTokens(service.secret);
  const places = new CallPlaces(MAX_REVIEW_CALLS, service.deadlineMs);

  app.get('/v1/reviews', {
    schema: {
      tags: ['reviews'],
      summary:
        'What the user may review, the newest first: of it they hold the permission now. A page may be short and lead on',
      querystring: reviewsQuery,
      response: { 200: reviewListFormat, ...inputErrors },
    },
    onRequest: authenticate(app, service, [], { users: true }),
    handler: async (request) => {
      const person = userReference(service, requireUser(request).user);
      const { state, limit, page_token: token } = request.query;
      const query = { list: 'reviews', caller: formatRef(person), state };
      const now = service.now();
      const start = pageTokens.decode({ token }, query, 'page_token');
      const { found, next } = await places.run(request, () => readPage(service, person, { state, now, start, limit }));
      const properties = await service.decisions.fetchActionProperties(found.map(({ decision }) => decision));
      return {
        page: pageTokens.encode(next, query),
        results: found.map((review) => toReviewJson(review, properties.get(review.decision), person, now)),
      };
    },
  });
}

export function reviewRoutes(app: TypedApp, service: Service): void {
  const places = new CallPlaces(MAX_REVIEW_CALLS, service.deadlineMs);

  app.post('/v1/decisions/:id/review', {
    schema: {
      tags: ['reviews'],
      summary: 'Say whether what was allowed was right. Once; repeating the same is fine',
      params: reviewParams,
      body: verdictBody,
      response: { 200: conclusionFormat, ...inputErrors, 404: problemFormat, 409: problemFormat },
    },
    onRequest: authenticate(app, service, ['admin'], { users: true }),
    handler: async (request, reply) => {
      const caller = requireParty(request);
      const person = caller.kind === 'user' ? userReference(service, caller.user) : undefined;
      const { params, body } = request;
      const { verdict, note, end = false } = body;
      const id = readDecisionId(params.id);
      const reviewer = formatCallerId(caller);
      const outcome = await places.run(request, async () => {
        const all = id === undefined ? [] : await service.reviews.find(id);
        const items = person === undefined ? all : await selectVisible(service, person, all);
        const isOwn = items.some(({ user }) => isReviewersOwn(user, person));
        if (items.length === 0) return 'not_found';
        const mayEnd = person === undefined || isOwn;
        const conclusion: ReviewConclusion = { verdict, note, reviewer, ended: end && mayEnd };
        const open = items.filter((item) => item.conclusion === undefined);
        if (open.length === 0)
          return items.every((item) => isSameConclusion(item, conclusion)) ? conclusion : 'reviewed';
        if (isOwn && verdict === 'right') return 'own';
        // Ending comes first: where the process dies in between, the verdict is still to be given, and ends it again.
        if (conclusion.ended) await endBehind(service, open[0], reviewer);
        return (await service.reviews.close(open, conclusion, service.now())) === 0 ? 'reviewed' : conclusion;
      });
      switch (outcome) {
        case 'not_found':
          return reply.code(404).send(NO_REVIEW);
        case 'own':
          return reply
            .code(403)
            .send(createProblem('forbidden', 'This was done for you: another person has to say that it was right.'));
        case 'reviewed':
          return reply.code(409).send(createProblem('already_reviewed', 'Another verdict was given before.'));
        default:
          return reply.send({ decision: params.id, verdict, note, ended: outcome.ended });
      }
    },
  });
}

/** Reads the items of a page. `next` is where the next one begins; undefined at the end. */
function readPage(
  service: Service,
  person: EntityRef,
  page: { readonly state: ReviewState; readonly now: Date; readonly start: string | undefined; readonly limit: number },
): Promise<{ readonly found: readonly StoredReview[]; readonly next: string | undefined }> {
  const source: PageSource<StoredReview, StoredReview> = {
    list: (after, size) => service.reviews.list(page.state, page.now, after, size),
    see: async (candidates) => {
      const visible = new Set(await selectVisible(service, person, candidates));
      return candidates.map((candidate) => (visible.has(candidate) ? candidate : undefined));
    },
    keyOf: reviewKey,
  };
  const bounds = { ...REVIEW_PAGE_BOUNDS, limit: page.limit, roundsWithinMs: service.deadlineMs / 2 };
  return readVisiblePage(source, page.start, bounds);
}

/** The items that a person may see: of which they hold the permission now, and from which they are not barred. */
function selectVisible(
  { activePolicies }: Pick<Service, 'activePolicies'>,
  person: EntityRef,
  items: readonly StoredReview[],
): Promise<StoredReview[]> {
  const { engine, rules } = activePolicies;
  return selectHeld(new GraphSnapshot(engine, 'full'), rules, person, items);
}

function isReviewersOwn(user: EntityRef | undefined, person: EntityRef | undefined): boolean {
  return user !== undefined && person !== undefined && isSameRef(user, person);
}

function isSameConclusion({ conclusion }: StoredReview, other: ReviewConclusion): boolean {
  return (
    conclusion?.verdict === other.verdict &&
    conclusion.note === other.note &&
    conclusion.reviewer === other.reviewer &&
    conclusion.ended === other.ended
  );
}

function toReviewJson(
  review: StoredReview,
  properties: Properties | undefined,
  person: EntityRef,
  now: Date,
): z.infer<typeof reviewFormat> {
  const { decision, permission, action, resource, user, agents, opened, due, conclusion } = review;
  const state = conclusion !== undefined ? 'closed' : due <= now ? 'overdue' : 'open';
  const { closed, ...concluded } = conclusion ?? {};
  return {
    decision,
    permission,
    action,
    ...(properties === undefined || Object.keys(properties).length === 0 ? {} : { properties }),
    resource,
    ...(user === undefined ? {} : { user: describeRef(user) }),
    agents: agents.map(describeRef),
    ...(isReviewersOwn(user, person) ? { own: true as const } : {}),
    state,
    opened: opened.toISOString(),
    due: due.toISOString(),
    ...(closed === undefined ? {} : { closed: closed.toISOString() }),
    ...concluded,
  };
}
