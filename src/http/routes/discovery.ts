/** Discovery: the AuthZEN metadata, the OAuth metadata for agents that call directly, and the scopes. */
import { z } from 'zod';
import { OBLIGATION_TYPES } from '../../model/obligations.js';
import type { Service } from '../../service/service.js';
import type { TypedApp } from '../typed-app.js';
import { listScopes } from '../../policy/schema/vocabulary.js';
import { REMIT_DETAIL_TYPE } from '../../model/acting.js';
import { SIGNATURE_ALGORITHMS } from '../../tokens/algorithms.js';
import { authenticate } from '../edge/authentication.js';
import { commonErrors, problemFormat } from '../edge/errors.js';

const metadataFormat = z
  .object({
    policy_decision_point: z.string(),
    access_evaluation_endpoint: z.string(),
    access_evaluations_endpoint: z.string(),
    search_subject_endpoint: z.string(),
    search_resource_endpoint: z.string(),
    search_action_endpoint: z.string(),
    supported_obligations: z.array(z.string()),
    access_request_endpoint: z.string(),
    jwks_uri: z.string(),
    capabilities: z.array(z.string()),
  })
  .meta({ id: 'Metadata' });
const KEYS_PATH = '/.well-known/jwks.json';
const keysFormat = z
  .object({
    keys: z.array(
      z.looseObject({
        kty: z.string(),
        kid: z.string().optional(),
        alg: z.string().optional(),
        use: z.string().optional(),
        crv: z.string().optional(),
        x: z.string().optional(),
        y: z.string().optional(),
      }),
    ),
  })
  .meta({ id: 'Keys' });
const resourceMetadataFormat = z
  .object({
    resource: z.string(),
    resource_name: z.string(),
    resource_documentation: z.string(),
    authorization_servers: z.array(z.string()),
    scopes_supported: z.array(z.string()),
    bearer_methods_supported: z.array(z.string()),
    dpop_signing_alg_values_supported: z.array(z.string()),
    dpop_bound_access_tokens_required: z.boolean(),
    tls_client_certificate_bound_access_tokens: z.boolean(),
    authorization_details_types_supported: z.array(z.string()),
  })
  .meta({ id: 'ProtectedResourceMetadata' });
const scopeListFormat = z
  .object({
    scopes: z.array(
      z.object({
        scope: z.string(),
        access: z.enum(['online', 'background']),
        actions: z.array(z.object({ name: z.string(), resource_types: z.array(z.string()), title: z.string() })),
      }),
    ),
  })
  .meta({ id: 'Scopes' });

export function discoveryRoutes(app: TypedApp, service: Service): void {
  app.get('/.well-known/authzen-configuration', {
    schema: {
      tags: ['operations'],
      summary: 'AuthZEN metadata',
      response: { 200: metadataFormat, 429: problemFormat },
    },
    handler: (request) => {
      const base = app.getAskedUrl(request);
      return {
        policy_decision_point: base,
        access_evaluation_endpoint: `${base}/access/v1/evaluation`,
        access_evaluations_endpoint: `${base}/access/v1/evaluations`,
        search_subject_endpoint: `${base}/access/v1/search/subject`,
        search_resource_endpoint: `${base}/access/v1/search/resource`,
        search_action_endpoint: `${base}/access/v1/search/action`,
        supported_obligations: OBLIGATION_TYPES,
        access_request_endpoint: `${base}/access/v1/requests`,
        jwks_uri: `${base}${KEYS_PATH}`,
        capabilities: ['urn:openid:authzen:capability:access-request'],
      };
    },
  });

  app.get(KEYS_PATH, {
    schema: {
      tags: ['operations'],
      summary: 'The keys that Remit signs with (RFC 7517)',
      response: { 200: keysFormat, 429: problemFormat },
    },
    handler: (_request, reply) => reply.header('cache-control', 'public, max-age=300').send(service.signing.jwks),
  });

  app.get('/.well-known/oauth-protected-resource', {
    schema: {
      tags: ['operations'],
      summary: 'What agents that call directly need (RFC 9728)',
      response: { 200: resourceMetadataFormat, 429: problemFormat },
    },
    handler: (request) => ({
      resource: app.getAskedUrl(request),
      resource_name: 'Remit',
      resource_documentation: `${app.getAskedUrl(request)}/docs`,
      // An issuer that is no web address (the development issuer) has no metadata.
      authorization_servers: service.trust.issuers.listNames().filter((issuer) => /^https?:/.test(issuer)),
      scopes_supported: listScopes(service.activePolicies.rules.vocabulary).map(({ scope }) => scope),
      bearer_methods_supported: ['header'],
      dpop_signing_alg_values_supported: [...SIGNATURE_ALGORITHMS],
      dpop_bound_access_tokens_required: false,
      tls_client_certificate_bound_access_tokens: service.config.tls?.clientCertificates ?? false,
      authorization_details_types_supported: [
        ...new Set([
          REMIT_DETAIL_TYPE,
          ...service.trust.issuers.list().flatMap((issuer) => issuer.authorization_details_types ?? []),
        ]),
      ],
    }),
  });
}

export function scopeRoutes(app: TypedApp, service: Service): void {
  app.get('/v1/scopes', {
    schema: {
      tags: ['decisions'],
      summary: 'The scopes of the platform, and what each covers',
      response: { 200: scopeListFormat, ...commonErrors },
    },
    onRequest: authenticate(app, service, ['evaluate', 'admin'], { agents: true }),
    handler: () => ({ scopes: listScopes(service.activePolicies.rules.vocabulary) }),
  });
}
