/** Gathering: everything that the judging steps want to know, asked of the engines at once. */
import { breathe } from './breathe.js';
import { faultOf, type Deadline } from './deadline.js';
import type { AskedCheck, CheckAnswer, Relationships } from './engines/spicedb/port.js';
import { refText } from './model/ids.js';
import { checkKey } from './model/relationships.js';
import { consult } from './steps/consult.js';
import { agentCanChecks, canChecks } from './steps/policy.js';
import { gate } from './steps/relationship.js';
import type { Established, Facts, JudgingStep } from './steps/step.js';
import type { Entities, KnownEntity } from './stores/entities.js';

export interface Asked {
  readonly relationships: Relationships;
  readonly entities: Entities;
}

/** Never throws for an engine's failure: that is in the facts. */
export async function gather(
  steps: readonly JudgingStep[],
  e: Established,
  using: Asked,
  deadline: Deadline,
): Promise<Facts> {
  const asks = steps.map((step) => step.asks?.(e) ?? {});
  const checks = asks.flatMap((a) => a.checks ?? []);
  const refs = [...new Map(asks.flatMap((a) => a.entities ?? []).map((ref) => [refText(ref), ref])).entries()];

  const [answers, entities] = await Promise.all([
    deadline.hold(using.relationships.check(checks, e.question.consistency)).catch((error: unknown) => faultOf(error)),
    deadline.hold(using.entities.lookup(refs.map(([, ref]) => ref))).catch((error: unknown) => faultOf(error)),
  ]);

  const answered = new Map<string, CheckAnswer>();
  for (const [i, check] of checks.entries()) {
    const answer: CheckAnswer | undefined =
      typeof answers === 'string' ? { result: 'unknown', fault: answers } : answers[i];
    // The gate may also stand in `can`; the answer that carries the path is the one to keep.
    if (answer !== undefined && (check.explain === true || !answered.has(checkKey(check))))
      answered.set(checkKey(check), answer);
  }
  const known = new Map<string, KnownEntity | undefined>();
  if (typeof entities !== 'string') for (const [i, [key]] of refs.entries()) known.set(key, entities[i]);

  const lookups: Pick<Facts, 'check' | 'entity'> = {
    check: (check) => answered.get(checkKey(check)) ?? { result: 'unknown', fault: 'relationships_unavailable' },
    entity: (ref) => known.get(refText(ref)),
  };
  const held = (list: readonly AskedCheck[]): Record<string, boolean> =>
    Object.fromEntries(list.map((check) => [check.permission, lookups.check(check).result === 'yes']));
  const entitiesFault = typeof entities === 'string' ? entities : undefined;
  await breathe();
  const cedar =
    entitiesFault === undefined
      ? consult(e, {
          entity: lookups.entity,
          can: held(canChecks(e)),
          agentCan: held(agentCanChecks(e)),
          reachable: lookups.check(gate(e)).result === 'yes',
        })
      : ({
          acting: { kind: 'fault', fault: entitiesFault },
          chain: [],
          duties: { kind: 'fault', fault: entitiesFault },
        } as const);
  const ends = [...answered.values()].flatMap((a) => (a.result === 'yes' && a.until !== undefined ? [a.until] : []));
  return { ...lookups, entitiesFault, cedar, ends };
}
