/** `clients[].token` of the configuration: clients that log in with a token of an issuer's, beside a key or in its place. */
import { z } from 'zod';
import { ConfigError } from '../model/faults.js';
import type { IssuerConfig } from '../tokens/issuers.js';
import { findTenant } from '../tokens/tenants.js';
import { displayPath } from './files.js';

const loginNameFormat = z.string().min(1).max(1024);

export const clientTokenFormat = z.strictObject({
  issuer: loginNameFormat.describe('The iss of its tokens, that of one tenant where the issuer has many'),
  client_id: loginNameFormat.describe('The client that its tokens are issued to'),
  subject: loginNameFormat.optional().describe('The sub of its tokens, where that is not the client_id'),
});

/** The tokens with which a client logs in: those that the issuer gives it for itself. */
export interface ClientLogin {
  readonly issuer: string;
  readonly clientId: string;
  readonly subject: string;
}

export function resolveLogin(token: z.infer<typeof clientTokenFormat> | undefined): ClientLogin | undefined {
  return token === undefined
    ? undefined
    : { issuer: token.issuer, clientId: token.client_id, subject: token.subject ?? token.client_id };
}

/** The key of the tokens of one client of one issuer. */
export function formatLogin({ issuer, clientId }: Pick<ClientLogin, 'issuer' | 'clientId'>): string {
  return JSON.stringify([issuer, clientId]);
}

/** @throws ConfigError where a login is of an issuer that signs none, or two clients share one */
export function checkClientLogins(
  clients: readonly { readonly token?: ClientLogin | undefined }[],
  issuers: readonly IssuerConfig[],
  path: string,
): void {
  const logins = new Set<string>();
  for (const [i, { token }] of clients.entries()) {
    if (token === undefined) continue;
    const login = formatLogin(token);
    const problem = logins.has(login)
      ? 'two clients have the same issuer and client_id'
      : findLoginProblem(token.issuer, issuers);
    if (problem !== undefined) throw new ConfigError(problem, { file: displayPath(path), key: `clients[${i}].token` });
    logins.add(login);
  }
}

function findLoginProblem(name: string, issuers: readonly IssuerConfig[]): string | undefined {
  const matches = issuers.filter(({ issuer, tenants }) =>
    tenants === undefined ? issuer === name : findTenant(name, issuer, tenants) !== undefined,
  );
  if (matches.length === 0) return `"${name}" is not among the issuers`;
  // Such a token is as good at every other service that the client calls with it.
  return matches.some(({ audience_from: source }) => source === 'client_id')
    ? `the tokens of "${name}" don't say that they are for Remit: by "audience_from: client_id" any token of the client would do`
    : undefined;
}
