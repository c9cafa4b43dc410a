/** The requirement that a user has signed in lately: what a token must say for it, and how it is asked for. */
import fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import { hasSignedInLately, sendSignInNeeded } from '../../../src/http/edge/recent-sign-in.js';

const NOW = new Date('2030-03-04T10:00:00Z');
const T = NOW.getTime() / 1000;

describe('hasSignedInLately', () => {
  it.each([
    [T, true],
    [T - 300, true],
    [T - 301, false],
    [T + 5, true],
    [T + 6, false],
    [0, false],
    [undefined, false],
  ])('says of %j: %j', (authenticatedAt, expected) => {
    expect(hasSignedInLately({ authenticatedAt }, NOW)).toBe(expected);
  });
});

it('asks for a newer sign-in with the challenge of RFC 9470', async () => {
  const app = fastify();
  app.decorate('getAskedUrl', () => 'https://remit.example');
  app.get('/', (_request, reply) => sendSignInNeeded(reply));
  const response = await app.inject('/');
  expect(response.statusCode).toBe(401);
  expect(response.headers['www-authenticate']).toContain(
    'Bearer error="insufficient_user_authentication", error_description="sign in again", max_age="300", resource_metadata=',
  );
  expect(response.json()).toMatchObject({ error: { code: 'insufficient_user_authentication', max_age: 300 } });
  await app.close();
});
