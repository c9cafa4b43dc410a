/** A credential by OAuth's client credentials grant: the token is fetched when it is needed, and again before it ends. */
import { requireSafeUrl } from './address.js';
import type { Credential, CredentialFunction, IssuedToken } from './credential.js';
import { DpopProofs, type DpopKeys } from './dpop.js';
import { RemitSetupError, RemitUnavailable } from './errors.js';
import { dropBody, readJsonBody } from './read-body.js';
import { isRecord } from './strict-json.js';

export interface OAuthOptions {
  readonly tokenEndpoint: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope?: string;
  /** The name of the authorization service at the issuer. */
  readonly audience?: string;
  readonly resource?: string;
  /** The token is bound to this key (RFC 9449). */
  readonly dpop?: DpopKeys;
  readonly timeoutMs?: number;
}

const MAX_TOKEN_ANSWER_BYTES = 64 * 1024;

/** @throws RemitSetupError */
export function oauthCredential(options: OAuthOptions): Credential {
  const url = requireSafeUrl(options.tokenEndpoint, 'the token endpoint');
  const proof = options.dpop === undefined ? undefined : new DpopProofs(options.dpop);
  const get: CredentialFunction = async () => {
    let response = await requestToken(url, options, proof);
    // An issuer may want a nonce of its own in the proof.
    if (response.status >= 400 && proof?.learnNonce(url, response.headers) === true) {
      await dropBody(response);
      response = await requestToken(url, options, proof);
    }
    return readToken(response, proof === undefined ? 'bearer' : 'dpop');
  };
  return proof === undefined ? get : { get, proof };
}

async function requestToken(url: URL, options: OAuthOptions, proof: DpopProofs | undefined): Promise<Response> {
  const { clientId, clientSecret, scope, audience, resource, timeoutMs = 5_000 } = options;
  const form = new URLSearchParams({ grant_type: 'client_credentials' });
  for (const [name, value] of Object.entries({ scope, audience, resource }))
    if (value !== undefined) form.set(name, value);
  // RFC 6749 section 2.3.1: each is form-encoded before they are joined.
  const encode = (text: string): string => new URLSearchParams({ v: text }).toString().slice(2);
  const basic = Buffer.from(`${encode(clientId)}:${encode(clientSecret)}`).toString('base64');
  return fetch(url, {
    method: 'POST',
    redirect: 'manual',
    signal: AbortSignal.timeout(timeoutMs),
    headers: {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `Basic ${basic}`,
      ...(proof === undefined ? {} : { dpop: await proof.prove({ method: 'POST', url }) }),
    },
    body: form.toString(),
  });
}

async function readToken(response: Response, type: 'bearer' | 'dpop'): Promise<IssuedToken> {
  if (response.status === 400 || response.status === 401) {
    await dropBody(response);
    throw new RemitSetupError('options', { detail: 'the issuer refuses the client credentials' });
  }
  // RFC 6749 section 5.1: a token comes with 200.
  if (response.status !== 200) {
    await dropBody(response);
    throw new RemitUnavailable('credential');
  }
  const body = await readJsonBody(response, MAX_TOKEN_ANSWER_BYTES);
  if (!isRecord(body) || typeof body['access_token'] !== 'string') throw new RemitUnavailable('credential');
  // A token that isn't bound to the key, where one was asked for, would be weaker than what was set up.
  const { token_type: tokenType, expires_in: seconds } = body;
  if (typeof tokenType !== 'string' || tokenType.toLowerCase() !== type) throw new RemitUnavailable('credential');
  return {
    token: body['access_token'],
    ...(typeof seconds === 'number' ? { expiresAt: Date.now() + seconds * 1000 } : {}),
  };
}
