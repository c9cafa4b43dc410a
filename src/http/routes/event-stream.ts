/** `GET /v1/approvals/events`: what a person is told of, as it happens. A reader that connects again misses nothing. */
import { Readable } from 'node:stream';
import { z } from 'zod';
import { formatRef } from '../../model/ids.js';
import type { Service } from '../../service/service.js';
import { BadRequest, Fault } from '../../model/faults.js';
import { authenticate } from '../edge/authentication.js';
import { inputErrors } from '../edge/errors.js';
import { requireUser } from '../edge/request-party.js';
import { streamEvents } from '../event-stream.js';
import { userReference } from '../grant-parties.js';
import { PageTokens } from '../page-token.js';
import type { TypedApp } from '../typed-app.js';

/** Streams of one user, and of all, that are open at one time. */
export const MAX_STREAMS_OF_USER = 4;
export const MAX_STREAMS = 500;
const LAST_EVENT_ID = 'Last-Event-ID';

export function eventStreamRoutes(app: TypedApp, service: Service): void {
  const pageTokens = new PageTokens(service.secret);
  const open = new Map<string, number>();
  const stopping = new AbortController();
  // Requests under way are waited for, and a stream has no end of its own.
  app.addHook('preClose', (done) => {
    stopping.abort();
    done();
  });

  app.get('/v1/approvals/events', {
    schema: {
      tags: ['approvals'],
      summary:
        'Server-sent events: what concerns the user, and what they may answer or review. Goes on after `Last-Event-ID`; `event: reset` says that some are no longer kept. At most 4 streams of a user; one ends with its token',
      response: {
        200: z.string().describe('`text/event-stream`; the data of each event is an `Event`').meta({
          example:
            'id: 3q2-7w\nevent: review.opened\ndata: {"event":"review.opened","ids":{"decision":"0199b6a0-5c1e-7c1a-9f0e-2d1c3b4a5f60","resource":"repository:api"},"time":"2030-03-04T10:00:00.000Z"}\n\n',
        }),
        ...inputErrors,
      },
    },
    onRequest: authenticate(app, service, [], { users: true }),
    handler: async (request, reply) => {
      const caller = requireUser(request);
      const person = userReference(service, caller.user);
      const key = formatRef(person);
      const query = { stream: 'events', caller: key };
      const lastId = request.headers['last-event-id'];
      const decoded = pageTokens.decode(
        { token: typeof lastId === 'string' ? lastId : '' },
        query,
        LAST_EVENT_ID,
        'is not an id of your stream',
      );
      const after = decoded === undefined ? (await service.events.findRange()).last : Number(decoded);
      const ofUser = open.get(key) ?? 0;
      if (ofUser >= MAX_STREAMS_OF_USER)
        throw new BadRequest('You have as many streams open as you may: close one first.', '', 429, 'too_many');
      if ([...open.values()].reduce((sum, n) => sum + n, 0) >= MAX_STREAMS) throw new Fault('overloaded', 'streams');
      open.set(key, ofUser + 1);
      const gone = new AbortController();
      reply.raw.once('close', () => {
        gone.abort();
        const others = (open.get(key) ?? 1) - 1;
        if (others === 0) open.delete(key);
        else open.set(key, others);
      });
      const closing = AbortSignal.any([gone.signal, stopping.signal]);
      const encodePosition = (position: number) => pageTokens.encode(String(position), query).next_token;
      const text = streamEvents(service, { person, token: caller.token, after, encodePosition, closing });
      // Proxies that buffer answers would hold events back. Nothing else comes on the connection, so none is kept open idle.
      return reply
        .type('text/event-stream; charset=utf-8')
        .header('x-accel-buffering', 'no')
        .header('connection', 'close')
        .send(Readable.from(text, { objectMode: false, highWaterMark: 16 * 1024 }));
    },
  });
}
