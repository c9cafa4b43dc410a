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
    transform: jsonSchemaTransform,
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

/** Makes what sends a document. @param write called once, at the first request, when all routes are registered */
function keepDocument(type: string, write: () => string): (reply: FastifyReply) => FastifyReply {
  let bytes: Buffer | undefined;
  return (reply) => reply.type(type).send((bytes ??= Buffer.from(write())));
}
