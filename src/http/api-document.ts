/**
 * The OpenAPI description of the routes: `/openapi.json`, and its page at `/docs`. It is written out once, since nothing in
 * it changes while the application runs, and strangers may ask for it.
 */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, onRequestHookHandler } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import { VERSION } from '../runtime/version.js';
import { describeLater } from './authzen-formats.js';
import { isAuthentication } from './edge/authentication.js';
import { keepText } from './edge/compression.js';
import { LINES_TYPE } from './edge/json-body.js';
import { DOCS_CONTENT_SECURITY_POLICY } from './edge/security-headers.js';
import { mendComponents } from './document-components.js';
import { getOperationId } from './operation-ids.js';

const PAGE = '/docs';

/** Serves the description of the routes that are registered later, and its page. */
export async function serveApiDocument(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Remit', version: VERSION, description: 'An authorization engine for AI agents.' },
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description:
              "A client's key, a token that an issuer gives the client for itself (client credentials), or an agent's or a user's own token",
          },
          dpop: {
            type: 'http',
            scheme: 'DPoP',
            description: 'A token that is bound to a key, with its proof in the header `DPoP` (RFC 9449)',
          },
        },
      },
      security: [{ bearer: [] }, { dpop: [] }],
    },
    transform: describeRoute,
    transformObject: (document) => mendComponents(jsonSchemaTransformObject(document)),
  });
  const json = keepText('application/json', () => JSON.stringify(app.swagger()));
  const yaml = keepText('application/x-yaml', () => app.swagger({ yaml: true }));
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
    /** Whether a client may pass the agent's token on in the header `Remit-Token`. */
    passesToken?: boolean;
    /** Whether its answers name their decision, in `Remit-Decision-Id`: nameDecision refuses to on any other route. */
    namesDecision?: boolean;
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

const REMIT_TOKEN = {
  type: 'string',
  description: "The agent's token, of a question that has none in its `context`, and of every such item of a batch",
};

const DECISION_ID = {
  type: 'string',
  description:
    'The id of the decision, the batch or the list: it has a record, and takes an outcome. Item n of a batch, and part n of a stream, is `<id>.<n>`',
};

/**
 * Adds what a route's schema doesn't say: its name, that it is open, and the headers that it reads by hand, which to
 * validate for each request would only cost time.
 */
const describeRoute: typeof jsonSchemaTransform = (input) => {
  const described = jsonSchemaTransform(input);
  const { config, method, onRequest } = input.route;
  if (described.schema.hide === true) return described;
  const hooks = [onRequest ?? []].flat() as onRequestHookHandler[];
  const isOpen = !hooks.some(isAuthentication);
  const headers = {
    ...(config?.repeatable === true ? { 'Idempotency-Key': IDEMPOTENCY_KEY } : {}),
    ...(config?.passesToken === true ? { 'Remit-Token': REMIT_TOKEN } : {}),
  };
  const schema = {
    ...described.schema,
    ...(config?.lines === undefined
      ? {}
      : { body: describeBodies(described.schema['body'] as object, config.lines.format) }),
    ...(config?.namesDecision === true
      ? { response: addDecisionHeader(described.schema['response'] as Readonly<Record<string, object>>) }
      : {}),
    operationId: getOperationId([method].flat()[0] ?? '', input.url),
    ...(isOpen ? { security: [] } : {}),
    ...(Object.keys(headers).length === 0 ? {} : { headers: { type: 'object', properties: headers } }),
  };
  return { ...described, schema };
};

/** Adds the header to every answer that decides: a 503 may have no record. */
function addDecisionHeader(responses: Readonly<Record<string, object>>): object {
  return { ...responses, 200: { ...responses['200'], headers: { 'Remit-Decision-Id': DECISION_ID } } };
}

/** A body that is JSON, or lines. */
function describeBodies(json: object, lines: z.ZodType): object {
  return { content: { 'application/json': { schema: json }, [LINES_TYPE]: { schema: describeLater(lines) } } };
}
