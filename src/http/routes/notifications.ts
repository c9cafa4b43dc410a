/** `GET /v1/notifications/failed`: the notifications that were given up, for administrators. */
import { z } from 'zod';
import { EVENT_NAMES, toEventJson } from '../../model/events.js';
import type { Service } from '../../service/service.js';
import { authenticate } from '../edge/authentication.js';
import { inputErrors } from '../edge/errors.js';
import { queryNumber } from '../query-number.js';
import type { TypedApp } from '../typed-app.js';

const MAX_LISTED_FAILURES = 1000;
const DEFAULT_LISTED_FAILURES = 100;

const failedQuery = z.strictObject({ limit: queryNumber(1, MAX_LISTED_FAILURES, DEFAULT_LISTED_FAILURES) });
export const eventBodyFormat = z
  .object({
    event: z.enum(EVENT_NAMES),
    ids: z.record(z.string(), z.string()).describe('What it is about; ids alone, never arguments or names'),
    time: z.string().describe('When it happened, RFC 3339'),
  })
  .meta({
    id: 'Event',
    example: {
      event: 'consent.requested',
      ids: { request: '0b8e6f0e-6c1b-4b0e-9a53-0d2c8b0f8f10', user: 'user:maria', agent: 'agent:mail-bot' },
      time: '2030-03-04T10:00:00.000Z',
    },
  });
const failedFormat = z
  .object({
    failed: z.array(
      z.object({
        id: z.string().describe('The `webhook-id` of all tries'),
        endpoint: z.string().describe('The receiver, without path and query'),
        body: eventBodyFormat,
        attempts: z.int(),
        failure: z
          .string()
          .describe(
            'That of the last try: `status_500`, `redirect`, `address_refused`, `timeout`, `connection_failed`',
          ),
        failed_at: z.string(),
      }),
    ),
  })
  .meta({ id: 'FailedNotifications' });

export function notificationRoutes(app: TypedApp, service: Service): void {
  app.get('/v1/notifications/failed', {
    schema: {
      tags: ['notifications'],
      summary:
        'Notifications that no receiver took in two days of tries, the last first; of each receiver the last 1,000',
      querystring: failedQuery,
      response: { 200: failedFormat, ...inputErrors },
    },
    onRequest: authenticate(app, service, ['admin']),
    handler: async (request) => {
      const { names } = service.webhooks;
      const dead = await service.deliveries.listDead([...names.keys()], request.query.limit);
      return {
        failed: dead.map(({ event, endpoint, attempts, failure, deadAt }) => ({
          id: event.id,
          endpoint: names.get(endpoint) ?? '',
          body: toEventJson(event),
          attempts,
          failure,
          failed_at: deadAt.toISOString(),
        })),
      };
    },
  });
}
