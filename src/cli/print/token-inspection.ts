/** A token explained for people. */
import type { TokenInspection } from '../../tokens/inspect.js';
import { escapeForTerminal } from './terminal.js';

type InspectedToken = NonNullable<TokenInspection['token']>;
type Row = readonly [name: string, text: string];

/** @param now for how far away the token's times are */
export function inspectionText({ header, token, claims, issuerKnown, problems }: TokenInspection, now: Date): string {
  const rows = [
    ...(header === undefined ? [] : [headerRow(header)]),
    ...(token === undefined ? [] : tokenRows(token, issuerKnown, now)),
    ...Object.entries(claims ?? {}).map(([name, value]): Row => [name, JSON.stringify(value)]),
    ...problems.map(({ code, message }): Row => ['wrong', `${code}: ${message}`]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, text]) => `  ${name.padEnd(width)}  ${escapeForTerminal(text)}`);
  return `Not verified: this is what the token says.\n${lines.join('\n')}\n`;
}

function headerRow({ typ, alg, kid }: NonNullable<TokenInspection['header']>): Row {
  const key = kid === undefined ? '' : `, key ${quotedUnlessPlain(kid)}`;
  return ['kind', `${typ ?? 'no typ'}, signed with ${alg}${key}`];
}

function tokenRows(token: InspectedToken, issuerKnown: boolean, now: Date): Row[] {
  const [agent, ...earlier] = token.actors;
  const calledBy =
    earlier.length === 0 ? '' : `, called by ${earlier.map(({ id }) => quotedUnlessPlain(id)).join(', by ')}`;
  const optional = (name: string, value: string | undefined): Row[] =>
    value === undefined ? [] : [[name, quotedUnlessPlain(value)]];
  return [
    ['issuer', `${quotedUnlessPlain(token.issuer)}${issuerKnown ? '' : ', which is not configured here'}`],
    [
      'acts',
      agent === undefined ? 'no agent: the token names none' : `the agent ${quotedUnlessPlain(agent.id)}${calledBy}`,
    ],
    ['for', token.user === undefined ? 'itself' : `the user ${quotedUnlessPlain(token.user)}`],
    ...(token.chainComplete || agent === undefined
      ? []
      : [['', 'agents before it, if there are any, are not stated by this kind of token'] as const]),
    ['meant for', token.resources.map(quotedUnlessPlain).join(', ')],
    ['scopes', token.scopes.length === 0 ? 'none' : token.scopes.join(' ')],
    ...(token.authorizationDetails ?? []).map((detail): Row => ['detail', JSON.stringify(detail)]),
    ...optional('purpose', token.purpose),
    ['use', token.access === 'online' ? 'while the user is there' : 'in the background'],
    ...optional('session', token.session),
    ...optional('transaction', token.txn),
    ['bound to', bindingText(token.proof)],
    ...(token.issuedAt === undefined ? [] : [['issued', timeText(token.issuedAt, now)] as const]),
    ['expires', timeText(token.expiresAt, now)],
  ];
}

function bindingText(proof: InspectedToken['proof']): string {
  const bindings = [
    ...(proof?.jkt === undefined ? [] : [`the key ${proof.jkt} (DPoP)`]),
    ...(proof?.x5t === undefined ? [] : [`the certificate ${proof.x5t} (mTLS)`]),
  ];
  return bindings.length === 0 ? 'nothing: every holder can use it' : bindings.join(' and ');
}

/** @param seconds since the epoch */
function timeText(seconds: number, now: Date): string {
  const offset = Math.round(seconds - now.getTime() / 1000);
  const distance = distanceText(Math.abs(offset));
  return `${new Date(seconds * 1000).toISOString()} (${offset < 0 ? `${distance} ago` : `in ${distance}`})`;
}

function distanceText(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

/** A word as it is, any other text in quotes. */
function quotedUnlessPlain(text: string): string {
  return /^[\x21-\x7e]+$/.test(text) ? text : JSON.stringify(text.toWellFormed());
}
