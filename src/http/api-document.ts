/**
 * The OpenAPI description of the routes: `/openapi.json`, and its page at `/docs`. It is written out once, since nothing in
 * it changes while the application runs, and strangers may ask for it.
 */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { VERSION } from '../runtime/version.js';
import { DOCS_CONTENT_SECURITY_POLICY } from './edge/security-headers.js';

const PAGE = '/docs';

/** Serves the description of the routes that are registered later, and its page. */
export async function serveApiDocument(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Remit', version: VERSION, description: 'An authorization engine for AI agents.' },
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: "A client's key, or an agent's own delegation token" },
        },
      },
      security: [{ bearer: [] }],
    },
    transform: describeRoute,
    transformObject: jsonSchemaTransformObject,
  });
  const json = keepDocument('application/json', () => JSON.stringify(app.swagger()));
  const yaml = keepDocument('application/x-yaml', () => app.swagger({ yaml: true }));
  const ofPage = new Map([
    [`${PAGE}/json`, json],
    [`${PAGE}/yaml`, yaml],
  ]);
  await app.register(swaggerUi, {
    routePrefix: PAGE,
    staticCSP: DOCS_CONTENT_SECURITY_POLICY,
    uiHooks: {
      // The page's own handlers would write the document out at each request.
      preHandler: (request, reply, done) => {
        const send = ofPage.get(request.routeOptions.url ?? '');
        if (send === undefined) done();
        else void send(reply);
      },
    },
  });
  app.get('/openapi.json', { schema: { hide: true } }, (_request, reply) => json(reply));
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the same question with the same `Idempotency-Key` is a retry. */
    repeatable?: boolean;
  }
}

const IDEMPOTENCY_KEY = {
  type: 'string',
  minLength: 1,
  maxLength: 255,
  pattern: '^[\\x21-\\x7e]+$',
  example: '8e03978e-40d5-43e8-bc93-6894a57f9324',
  description:
    'Makes the same question of the same client a retry for 24 hours: it uses nothing of a limit twice, and is denied `key_used` once it was reported as executed. In a batch it counts for each question by itself, and of a filter for the whole list',
};

/** Adds the headers that a route reads by hand: to validate all headers of each request would only cost time. */
const describeRoute: typeof jsonSchemaTransform = (input) => {
  const described = jsonSchemaTransform(input);
  if (input.route.config?.repeatable !== true) return described;
  const headers = { type: 'object', properties: { 'Idempotency-Key': IDEMPOTENCY_KEY } };
  return { ...described, schema: { ...described.schema, headers } };
};

/** Makes what sends a document. @param write called once, at the first request, when all routes are registered */
function keepDocument(type: string, write: () => string): (reply: FastifyReply) => FastifyReply {
  let bytes: Buffer | undefined;
  return (reply) => reply.type(type).send((bytes ??= Buffer.from(write())));
}
