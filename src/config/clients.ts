/** `clients` of the configuration: the services that may call, with their keys and permissions. */
import { z } from 'zod';
import { ConfigError } from '../model/faults.js';
import { OBLIGATION_TYPES } from '../model/obligations.js';
import { CLIENT_PERMISSIONS, VOUCHED_MODES, type Client } from '../model/question.js';
import { CALLABLE_URL_RULE, isCallableUrl } from './callable-url.js';
import { clientTokenFormat, resolveLogin, type ClientLogin } from './client-logins.js';
import { displayPath } from './files.js';
import { markId } from './schema-types.js';

/** Requests a second of a client without a `rate`. */
const DEFAULT_RATE = 1000;

const MAX_CALLBACKS = 16;
/** A URL that the client is told at; without encryption only on the machine itself. */
const callbackFormat = z
  .url({ protocol: /^https?$/ })
  .max(2048)
  .refine(isCallableUrl, CALLABLE_URL_RULE);

/** A client has two keys while one is replaced, and more where replacements overlap. */
const MAX_KEYS = 4;
const keyHashFormat = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits');

/** Clients that were written for another service may name the agent as their subject, and the user in a property. */
const subjectReadingFormat = z.strictObject({
  agent_types: z.array(z.string().min(1).max(128)).min(1).max(16),
  strip_prefix: z.string().min(1).max(256).optional(),
  user_property: z.string().min(1).max(128).default('on_behalf_of'),
});

export const clientFormat = z.strictObject({
  id: markId(
    z
      .string()
      .min(1)
      .max(128)
      .regex(/^(?!agent:|user:)/, 'must not begin with "agent:" or "user:"'),
  ),
  key_sha256: z
    .preprocess(
      (value): unknown => (Array.isArray(value) ? value : [value]),
      z.array(keyHashFormat).min(1).max(MAX_KEYS),
    )
    .optional(),
  token: clientTokenFormat.optional(),
  may: z.array(z.enum(CLIENT_PERMISSIONS)).default(['evaluate']),
  audience: z.string().min(1).optional(),
  resources: z.array(z.string().min(1)).optional(),
  default_mode: z.enum(VOUCHED_MODES).optional(),
  subject: subjectReadingFormat.optional(),
  answers: z.enum(['full', 'minimal']).default('full'),
  rate: z.number().int().min(1).optional(),
  supported_obligations: z.array(z.enum(OBLIGATION_TYPES)).default([]),
  callbacks: z.array(callbackFormat).max(MAX_CALLBACKS).default([]),
});

export interface ConfiguredClient extends Client {
  /** The hashes of its keys. Each key is valid; none where it logs in with a token alone. */
  readonly keySha256: readonly string[];
  /** The tokens that it logs in with. */
  readonly token?: ClientLogin | undefined;
}

/** Checks what holds between clients, and resolves their defaults. @throws ConfigError */
export function resolveClients(clients: z.infer<typeof clientFormat>[], path: string): ConfiguredClient[] {
  for (const key of ['id', 'key_sha256'] as const) {
    const values = clients.flatMap((c) => c[key] ?? []);
    const repeated = values.find((v, i) => values.indexOf(v) !== i);
    if (repeated !== undefined)
      throw new ConfigError(`two clients have the ${key} "${key === 'id' ? repeated : '…'}"`, {
        file: displayPath(path),
        key: 'clients',
      });
  }
  return clients.map((c, i) => {
    if (c.key_sha256 === undefined && c.token === undefined)
      throw new ConfigError('needs "key_sha256" or "token"', { file: displayPath(path), key: `clients[${i}]` });
    if (c.default_mode !== undefined && !c.may.includes('asserts_subject')) {
      throw new ConfigError('default_mode needs "asserts_subject" in may', {
        file: displayPath(path),
        key: `clients[${i}]`,
      });
    }
    return {
      id: c.id,
      keySha256: c.key_sha256 ?? [],
      token: resolveLogin(c.token),
      may: new Set(c.may),
      audience: c.audience,
      resources: c.resources === undefined ? undefined : new Set(c.resources),
      defaultMode: c.default_mode,
      agentSubjects:
        c.subject === undefined
          ? undefined
          : {
              types: new Set(c.subject.agent_types),
              prefix: c.subject.strip_prefix ?? '',
              userProperty: c.subject.user_property,
            },
      answers: c.answers,
      rate: c.rate ?? DEFAULT_RATE,
      supportedObligations: c.supported_obligations,
      callbacks: c.callbacks,
    };
  });
}
