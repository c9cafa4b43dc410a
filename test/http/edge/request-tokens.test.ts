/** The tokens of one request: each is read once, whatever asks for it, and never for another request. */
import { describe, expect, it, vi } from 'vitest';
import type { TokenReading } from '../../../src/model/credential.js';
import { RequestTokens } from '../../../src/http/edge/request-tokens.js';

const verifier = () => ({
  maxTokenBytes: 8192,
  read: vi.fn((text: string): TokenReading => ({ text, token: () => Promise.reject(new Error('not asked for')) })),
});

describe('the tokens of a request', () => {
  it('are read once each', () => {
    const shared = verifier();
    const tokens = new RequestTokens(shared);
    expect(tokens.read('a')).toBe(tokens.read('a'));
    expect(tokens.read('b')).not.toBe(tokens.read('a'));
    expect(shared.read.mock.calls).toEqual([['a'], ['b']]);
  });

  it('are another request’s own', () => {
    const shared = verifier();
    expect(new RequestTokens(shared).read('a')).not.toBe(new RequestTokens(shared).read('a'));
  });
});
