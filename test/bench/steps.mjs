/** Where a decision's time goes: the service's ports timed from outside, while they are in use. */
import { SCOPES } from './world.mjs';

/** The ports that a decision uses, by what they are called in the table. */
const PORTS = [
  ['token verify', (service) => [service.tokens, 'verify']],
  ['relationship checks', (service) => [service.relationships, 'check']],
  ['entity lookup', (service) => [service.entities, 'lookup']],
  ['Cedar: policies', (service) => [service.rules().deciding, 'ask']],
  ['Cedar: duties', (service) => [service.rules().duties, 'ask']],
  ['record', (service) => [service.decisions, 'record']],
];

/** Times every port from now on. @returns a function that ends it and gives each port's microseconds a decision */
export function timePorts(service, server) {
  const spans = PORTS.map(([name, of]) => {
    const [object, method] = of(service);
    return time(object, method, { name, main: 0, waiting: 0, calls: 0 });
  });
  const whole = { ms: 0, decisions: 0 };
  const onRequest = (_request, response) => {
    const began = performance.now();
    response.once('finish', () => {
      whole.ms += performance.now() - began;
      whole.decisions += 1;
    });
  };
  server.prependListener('request', onRequest);
  return () => {
    server.removeListener('request', onRequest);
    for (const { restore } of spans) restore();
    const each = (ms) => (ms * 1000) / whole.decisions;
    const rows = spans.map(({ span }) => ({ name: span.name, main: each(span.main), waiting: each(span.waiting) }));
    // Entities are looked up while the checks are under way, so that wait is not one more.
    const accounted = rows.reduce((sum, r) => sum + r.main + (r.name === 'entity lookup' ? 0 : r.waiting), 0);
    return { rows, rest: each(whole.ms) - accounted, whole: each(whole.ms), decisions: whole.decisions };
  };
}

/** `main` is until the call returns, `waiting` from there until its promise is settled. */
function time(object, method, span) {
  const original = object[method];
  object[method] = (...args) => {
    const began = performance.now();
    const answer = original.apply(object, args);
    const returned = performance.now();
    span.main += returned - began;
    if (!(answer instanceof Promise)) return answer;
    return answer.finally(() => {
      span.waiting += performance.now() - returned;
    });
  };
  return { span, restore: () => Reflect.deleteProperty(object, method) };
}

/** A token's verification when it is seen for the first time and when it is known, in microseconds. */
export async function timeTokens(service, count = 300) {
  const tokens = [];
  for (let i = 0; i < count; i += 1) {
    tokens.push(
      await service.devIssuer.mint({
        user: `u${i}`,
        agent: 'assistant-0',
        scope: SCOPES,
        ttlSeconds: 600,
        now: service.now(),
      }),
    );
  }
  const round = async () => {
    const began = performance.now();
    for (const token of tokens) {
      const verification = await service.tokens.verify(token, undefined, service.now());
      if (!verification.ok) throw new Error(`a fresh token was refused: ${verification.reason.code}`);
    }
    return ((performance.now() - began) * 1000) / count;
  };
  return { first: await round(), repeated: await round() };
}
