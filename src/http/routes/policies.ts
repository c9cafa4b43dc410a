/** `/v1/policies`: the policies in force, their files, and why the files as they are now were refused. */
import { z } from 'zod';
import { sha256 } from '../../runtime/sha256.js';
import type { PolicyRefusal } from '../../service/active-policies.js';
import type { Rules } from '../../policy/load.js';
import type { Policy } from '../../policy/policies.js';
import type { SourceFile } from '../../diagnostics/source.js';
import type { Service } from '../../service/service.js';
import type { TypedApp } from '../typed-app.js';
import { authenticate } from '../edge/authentication.js';
import { inputErrors } from '../edge/errors.js';

const findingFormat = z.object({
  rule: z.string(),
  severity: z.enum(['error', 'warning']),
  file: z.string(),
  line: z.number(),
  column: z.number(),
  message: z.string(),
  suggestion: z.string().optional(),
});
const activePoliciesFormat = z
  .object({
    version: z.string().describe('SHA-256 in hex, as `policy_version` of decision records has it'),
    loaded_at: z.string().describe('Since when these are in force'),
    reload: z.enum(['watch', 'signal', 'off']).describe('Whether changed files are loaded while the service runs'),
    files: z.array(
      z.object({ file: z.string(), kind: z.enum(['relationships', 'actions', 'policies']), sha256: z.string() }),
    ),
    policies: z.array(
      z.object({
        id: z.string(),
        title: z.string().optional(),
        kind: z.enum(['permit', 'forbid', 'duty']),
        source: z.string().describe('`policies/hr.cedar:31`'),
        annotations: z.record(z.string(), z.string()),
        text: z.string().optional().describe('With `?text=true`'),
      }),
    ),
    refused: z
      .object({
        at: z.string(),
        reason: z.string(),
        version: z.string().optional().describe('Absent where the files could not be read'),
        findings: z.array(findingFormat),
      })
      .optional()
      .describe('The files as they are now, where they were refused'),
  })
  .meta({ id: 'Policies' });
const policiesQuery = z.strictObject({ text: z.enum(['true', 'false']).default('false') });

/** The most findings of a refusal; `remit check` prints them all. */
const MAX_REFUSAL_FINDINGS = 100;

export function policyRoutes(app: TypedApp, service: Service): void {
  app.get('/v1/policies', {
    schema: {
      tags: ['administration'],
      summary: 'The policies in force, and why changed files were refused',
      querystring: policiesQuery,
      response: {
        200: activePoliciesFormat,
        ...inputErrors,
      },
    },
    onRequest: authenticate(app, service, ['admin']),
    handler: (request) => {
      const { text } = request.query;
      const { rules, since, refusal } = service.activePolicies;
      return {
        version: rules.version,
        loaded_at: since.toISOString(),
        reload: service.config.reload.policies,
        files: listPolicyFiles(rules),
        policies: [...rules.policies.values()].map((policy) => ({
          ...toPolicyJson(policy),
          ...(text === 'true' ? { text: policy.text } : {}),
        })),
        ...(refusal === undefined ? {} : { refused: toRefusalJson(refusal) }),
      };
    },
  });
}

type ActivePoliciesJson = z.infer<typeof activePoliciesFormat>;

function listPolicyFiles({ sources: { relationships, actions, policies } }: Rules): ActivePoliciesJson['files'] {
  const toFiles = (
    kind: ActivePoliciesJson['files'][number]['kind'],
    files: readonly SourceFile[],
  ): ActivePoliciesJson['files'] => files.map(({ name, text }) => ({ file: name, kind, sha256: sha256(text) }));
  return [
    ...toFiles('relationships', [relationships]),
    ...toFiles('actions', actions),
    ...toFiles('policies', policies),
  ];
}

function toPolicyJson({ id, title, source, json, duties }: Policy): ActivePoliciesJson['policies'][number] {
  return {
    id,
    ...(title === undefined ? {} : { title }),
    kind: duties === undefined ? json.effect : 'duty',
    source,
    // An annotation without a value is null.
    annotations: Object.fromEntries(
      Object.entries(json.annotations ?? {}).map(([name, value]) => [name, (value as string | null) ?? '']),
    ),
  };
}

function toRefusalJson({ at, reason, version, findings }: PolicyRefusal): ActivePoliciesJson['refused'] {
  return {
    at,
    reason,
    ...(version === undefined ? {} : { version }),
    findings: findings.slice(0, MAX_REFUSAL_FINDINGS).map(({ suggestion, ...rest }) => ({
      ...rest,
      ...(suggestion === undefined ? {} : { suggestion }),
    })),
  };
}
