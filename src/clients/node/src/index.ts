/** Guards of routes: `remit-node/fastify`, `remit-node/express` and `remit-node/hono` are for the frameworks; this is what they share. */
export { tokenSubject } from './route-question.js';
export type { GuardClient, GuardOptions, RouteQuestion, SubjectAnswer } from './route-question.js';
