/** `remit token inspect`: what a token says, in words, and what is wrong with it; nothing of it is verified. */
import { loadConfig, type Config } from '../config/config.js';
import { inspectToken, type TokenInspection } from '../tokens/inspect.js';
import { escapeForTerminal, readOptions, readTokenArgument } from './command.js';
import { DEV_AUDIENCE, DEV_ISSUER } from '../issue/development-issuer.js';
import type { IssuerConfig } from '../tokens/issuers.js';

export async function runTokenInspect(args: readonly string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    config: { type: 'string' },
    json: { type: 'boolean', default: false },
  });
  const text = await readTokenArgument(positionals, 'inspect');
  const now = new Date();
  const config = loadConfig(values.config);
  const audiences = config.clients.flatMap(({ audience }) => audience ?? []);
  const inspected = inspectToken(text, readableIssuers(config), audiences, now);
  process.stdout.write(values.json ? `${JSON.stringify(inspected, undefined, 2)}\n` : inspectionText(inspected, now));
  return inspected.problems.length === 0 ? 0 : 1;
}

/** The development issuer is known by its name: for reading a token no key is needed. */
function readableIssuers({ issuers }: Config): IssuerConfig[] {
  const development = { issuer: DEV_ISSUER, audience: DEV_AUDIENCE, primary: true, shapes: ['act', 'agent'] } as const;
  return [...issuers, { ...development, jwks: { keys: [] }, algorithms: ['ES256'] }];
}

function inspectionText({ header, token, claims, issuerKnown, problems }: TokenInspection, now: Date): string {
  const lines: [string, string][] = [];
  if (header !== undefined) {
    const key = header.kid === undefined ? '' : `, key ${quotedUnlessPlain(header.kid)}`;
    lines.push(['kind', `${header.typ ?? 'no typ'}, signed with ${header.alg}${key}`]);
  }
  if (token !== undefined) {
    const [agent, ...earlier] = token.actors;
    const calledBy =
      earlier.length === 0 ? '' : `, called by ${earlier.map((a) => quotedUnlessPlain(a.id)).join(', by ')}`;
    const acting =
      agent === undefined ? 'nobody: it names no agent' : `the agent ${quotedUnlessPlain(agent.id)}${calledBy}`;
    lines.push(['issuer', `${quotedUnlessPlain(token.issuer)}${issuerKnown ? '' : ', which is not configured here'}`]);
    lines.push(['acts', acting]);
    lines.push(['for', token.user === undefined ? 'itself' : `the user ${quotedUnlessPlain(token.user)}`]);
    if (!token.chainComplete && agent !== undefined)
      lines.push(['', 'agents before it, if there are any, are not stated by this kind of token']);
    lines.push(['meant for', token.resources.map(quotedUnlessPlain).join(', ')]);
    lines.push(['scopes', token.scopes.length === 0 ? 'none' : token.scopes.join(' ')]);
    for (const detail of token.authorizationDetails ?? []) lines.push(['detail', JSON.stringify(detail)]);
    if (token.purpose !== undefined) lines.push(['purpose', quotedUnlessPlain(token.purpose)]);
    lines.push(['use', token.access === 'online' ? 'while the user is there' : 'in the background']);
    if (token.session !== undefined) lines.push(['session', quotedUnlessPlain(token.session)]);
    if (token.txn !== undefined) lines.push(['transaction', quotedUnlessPlain(token.txn)]);
    lines.push(['bound to', bindingText(token.proof)]);
    if (token.issuedAt !== undefined) lines.push(['issued', timeText(token.issuedAt, now)]);
    lines.push(['expires', timeText(token.expiresAt, now)]);
  }
  for (const [name, value] of Object.entries(claims ?? {})) lines.push([name, JSON.stringify(value)]);
  for (const { code, message } of problems) lines.push(['wrong', `${code}: ${message}`]);
  const width = Math.max(...lines.map(([name]) => name.length));
  const rows = lines.map(([name, text]) => `  ${name.padEnd(width)}  ${escapeForTerminal(text)}`);
  return `Not verified: this is what the token says.\n${rows.join('\n')}\n`;
}

function bindingText(proof: NonNullable<TokenInspection['token']>['proof']): string {
  const bindings = [
    ...(proof?.jkt === undefined ? [] : [`the key ${proof.jkt} (DPoP)`]),
    ...(proof?.x5t === undefined ? [] : [`the certificate ${proof.x5t} (mTLS)`]),
  ];
  return bindings.length === 0 ? 'nothing: whoever has it can use it' : bindings.join(' and ');
}

function timeText(seconds: number, now: Date): string {
  const offset = Math.round(seconds - now.getTime() / 1000);
  const amount = Math.abs(offset);
  const text =
    amount < 120 ? `${amount} s` : amount < 7200 ? `${Math.round(amount / 60)} min` : `${Math.round(amount / 3600)} h`;
  return `${new Date(seconds * 1000).toISOString()} (${offset < 0 ? `${text} ago` : `in ${text}`})`;
}

/** A word as it is, anything else in quotes. */
function quotedUnlessPlain(text: string): string {
  return /^[\x21-\x7e]+$/.test(text) ? text : JSON.stringify(text.toWellFormed());
}
