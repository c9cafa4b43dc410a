/** The examples of the RFCs, read from vectors.yaml. */
import { readFileSync } from 'node:fs';
import type { JWK } from 'jose';
import { parse } from 'yaml';

interface Vectors {
  readonly jws: readonly {
    readonly name: string;
    readonly source: string;
    readonly keys: readonly (JWK & { kty: string })[];
    readonly token: string;
    readonly signature: 'valid' | 'invalid';
  }[];
  readonly thumbprints: readonly { readonly name: string; readonly jwk: JWK; readonly sha256: string }[];
  readonly dpop: readonly {
    readonly name: string;
    readonly proof: string;
    readonly method: string;
    readonly url: string;
    /** The time at which the proof was fresh. */
    readonly iat: number;
    readonly jkt: string;
    /** The access token that it goes with, where it goes with one. */
    readonly token?: string;
  }[];
}

export const VECTORS = parse(readFileSync(new URL('vectors.yaml', import.meta.url), 'utf8')) as Vectors;
