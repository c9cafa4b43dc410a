/**
 * The tokens of one request, each read once: rate limiting, authentication and the decision share the reading, and the
 * request's use of a DPoP proof.
 */
import type { FastifyRequest } from 'fastify';
import type { PresentedToken, TokenReading } from '../../model/credential.js';
import type { TokenVerifier } from '../../tokens/verify.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Undefined until {@link getRequestTokens} is first called. */
    tokens: RequestTokens | undefined;
  }
}

type TokenReader = Pick<TokenVerifier, 'read' | 'maxTokenBytes'>;

export class RequestTokens {
  private readonly readings = new Map<string, TokenReading>();
  /** Proofs that this request has used, by their texts: its parts may share one, and no other request may. */
  readonly usedProofs: PresentedToken['used'] = new Map();

  constructor(private readonly verifier: TokenReader) {}

  /** The longest token that any issuer may sign. */
  get maxTokenBytes(): number {
    return this.verifier.maxTokenBytes;
  }

  read(text: string): TokenReading {
    let reading = this.readings.get(text);
    if (reading === undefined) {
      reading = this.verifier.read(text);
      this.readings.set(text, reading);
    }
    return reading;
  }
}

export function getRequestTokens(request: FastifyRequest, verifier: TokenReader): RequestTokens {
  request.tokens ??= new RequestTokens(verifier);
  return request.tokens;
}
