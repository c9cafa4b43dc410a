/** The credential of a client: a text, or a function that is asked when there is none yet, it ends, or it was refused. */
import { RemitSetupError, RemitUnavailable } from './errors.js';
import { isRecord } from './strict-json.js';

/** A token, and when it ends where it doesn't say so itself. */
export interface IssuedToken {
  readonly token: string;
  /** Milliseconds, as `Date.now()` has it. */
  readonly expiresAt?: number;
}
export type CredentialFunction = () => string | IssuedToken | Promise<string | IssuedToken>;
/** Makes the proof that comes with a token that is bound to a key. */
export interface ProofMaker {
  prove(request: { readonly method: string; readonly url: URL; readonly token?: string }): Promise<string>;
  /** Takes a nonce from an answer. @returns whether the request is worth sending again with it */
  learnNonce(url: URL, headers: Headers): boolean;
}
/** A key or token; a function that returns one; or one that each request is signed for. */
export type Credential = string | CredentialFunction | { readonly get: CredentialFunction; readonly proof: ProofMaker };

/** A token is replaced this long before its end, so that it doesn't end on its way. */
const EARLY_MS = 5_000;
const VISIBLE_ASCII = /^[\x21-\x7e]+$/;

export class CredentialHolder {
  readonly proof: ProofMaker | undefined;
  // Private to the language: whatever prints a client prints no key.
  readonly #ask: CredentialFunction | undefined;
  #current: IssuedToken | undefined;
  #pending: Promise<IssuedToken> | undefined;

  /** @throws RemitSetupError */
  constructor(credential: unknown) {
    if (typeof credential === 'string') {
      this.#current = { token: requireToken(credential), expiresAt: Infinity };
      return;
    }
    const ask = isRecord(credential) ? credential['get'] : credential;
    if (typeof ask !== 'function')
      throw new RemitSetupError('options', { detail: 'a key or a credential is required, and only one of them' });
    this.#ask = ask as CredentialFunction;
    this.proof = isRecord(credential) ? (credential['proof'] as ProofMaker | undefined) : undefined;
  }

  /** Returns the token; of many callers that need a new one at the same time, one asks for all. @throws RemitError */
  async get(): Promise<string> {
    if (this.#current !== undefined && (this.#current.expiresAt ?? Infinity) - EARLY_MS > Date.now())
      return this.#current.token;
    this.#pending ??= this.renew().finally(() => {
      this.#pending = undefined;
    });
    return (await this.#pending).token;
  }

  /**
   * Forgets a token that was refused, unless it has been replaced meanwhile.
   * @returns whether another may be had
   */
  reject(token: string): boolean {
    if (this.#ask === undefined) return false;
    if (this.#current?.token === token) this.#current = undefined;
    return true;
  }

  private async renew(): Promise<IssuedToken> {
    let answer: unknown;
    try {
      answer = await this.#ask?.();
    } catch (error) {
      // What the function threw may name the token or an address.
      if (error instanceof RemitSetupError) throw error;
      throw new RemitUnavailable('credential');
    }
    const issued = typeof answer === 'string' ? { token: answer } : answer;
    if (!isRecord(issued) || typeof issued['token'] !== 'string') throw new RemitUnavailable('credential');
    const token = requireToken(issued['token']);
    const stated = issued['expiresAt'];
    this.#current = { token, expiresAt: typeof stated === 'number' ? stated : (readExpiry(token) ?? Infinity) };
    return this.#current;
  }
}

/** @throws RemitSetupError, without the text */
function requireToken(text: string): string {
  if (VISIBLE_ASCII.test(text)) return text;
  const detail =
    text === '' ? 'the credential is empty' : 'the credential must be visible ASCII without spaces and line breaks';
  throw new RemitSetupError('options', { detail });
}

/** Reads `exp` of a JWT, only to know when to ask for another. */
function readExpiry(token: string): number | undefined {
  const [, payload, signature] = token.split('.');
  if (payload === undefined || signature === undefined) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    return isRecord(claims) && typeof claims['exp'] === 'number' ? claims['exp'] * 1000 : undefined;
  } catch {
    return undefined;
  }
}
