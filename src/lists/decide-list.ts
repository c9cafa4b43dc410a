/**
 * Many questions of one request, which differ in their subject, action or resource: judged in groups by the steps of a
 * decision, those that a lookup shows to be out of the user's reach aside.
 */
import { foresee, open, type Begun, type Deciding, type Foreseen } from '../decide/decide.js';
import { Deadline } from '../runtime/deadline.js';
import type { CheckAnswer } from '../model/checks.js';
import type { AskedCheck } from '../model/checks.js';
import type { Consistency } from '../model/checks.js';
import { BadRequest, Fault } from '../model/faults.js';
import type { Question } from '../model/question.js';
import { checkKey } from '../graph/relationship-text.js';
import { reach, type Reach } from '../decide/steps/relationship.js';
import { gate } from '../decide/permission-checks.js';
import { withContext } from '../decide/step.js';
import { type Established } from '../decide/bound-question.js';

/** Questions that are gathered and judged together, under one deadline; two groups at a time. */
const GROUP = 250;
const AT_A_TIME = 2;
/**
 * From so many resources on it is first asked which are within reach, and before that by a lookup for half as many: a
 * lookup costs about 20 µs for each that it finds and a check 50 µs, so where it ends by itself at least half of the
 * checks are saved, and where it doesn't it has cost a fifth more.
 */
const LONG = 100;
/** Ten times what a lookup of half a list takes. */
const LOOKUP_MS = 250;

/**
 * One answer a question, in order: a BadRequest for one that is itself at fault.
 * @param lookedUp they come from a lookup, so another would find them all again
 * @throws Fault where one can't be decided
 */
export async function foreseeEach(
  questions: readonly Question[],
  using: Deciding,
  lookedUp = false,
): Promise<readonly (Foreseen | BadRequest)[]> {
  const begun = await open(questions, using);
  const opened = begun.flatMap((one) => (one instanceof BadRequest ? [] : [one]));
  const { near, gates } = await Deadline.of(using.deadlineMs, (deadline) =>
    withinReach(opened, using, deadline, lookedUp),
  );
  const answers = new Map<Begun, Foreseen>();
  let next = 0;
  const judgeGroups = async (): Promise<void> => {
    while (next < near.length) {
      const group = near.slice(next, (next += GROUP));
      const foreseen = await foresee(group, using, gates);
      for (const [i, answer] of foreseen.entries()) answers.set(group[i] as Begun, answer);
    }
  };
  // While the one is judged, the engines work for the other.
  await Promise.all(Array.from({ length: AT_A_TIME }, judgeGroups));
  return begun.map((one) => (one instanceof BadRequest ? one : (answers.get(one) ?? DENIED)));
}

const DENIED: Foreseen = { allowed: false, obligations: [], denials: [] };

interface Reached {
  /** Of whose resource it isn't certain that the permission is not held. */
  readonly near: readonly Begun[];
  /** What has been asked of them already, by its key. */
  readonly gates: ReadonlyMap<string, CheckAnswer>;
}

/**
 * Of a long list nothing else is asked about what is out of reach. What a lookup finds is still to be checked: of a
 * graph that goes in a circle SpiceDB may know the one and not answer the other.
 */
async function withinReach(
  begun: readonly Begun[],
  using: Deciding,
  deadline: Deadline,
  lookedUp: boolean,
): Promise<Reached> {
  const far = new Set<Begun>();
  const gates = new Map<string, CheckAnswer>();
  for (const group of alike(begun).values()) {
    const [first] = group;
    const resources = new Set(group.map(({ gate: { resource } }) => resource.id)).size;
    if (first === undefined || resources < LONG) continue;
    const { consistency } = first.established.question;
    const found = lookedUp
      ? undefined
      : await deadline.hold(lookUp(reach(first.established), Math.floor(resources / 2), consistency, using));
    const left = found === undefined ? group : group.filter(({ gate: { resource } }) => found.has(resource.id));
    const checks = new Map(left.map(({ gate }) => [checkKey(gate), gate]));
    const answers = await deadline.hold(using.relationships.check([...checks.values()], consistency));
    for (const [i, key] of [...checks.keys()].entries()) gates.set(key, answers[i] ?? UNKNOWN);
    for (const { one, gate } of group) if (!mayBeHeld(gates.get(checkKey(gate)))) far.add(one);
  }
  return { near: begun.filter((one) => !far.has(one)), gates };
}

const UNKNOWN: CheckAnswer = { result: 'unknown', fault: 'relationships_unavailable' };

/** What isn't known is for the steps to judge. */
function mayBeHeld(answer: CheckAnswer | undefined): boolean {
  return answer?.result === 'yes' || answer?.result === 'unknown';
}

interface Gated {
  readonly one: Begun;
  readonly established: Established;
  readonly gate: AskedCheck;
}

/** Those that ask for one permission, on one type, of one subject. */
function alike(begun: readonly Begun[]): Map<string, Gated[]> {
  const groups = new Map<string, Gated[]>();
  for (const one of begun) {
    const { established } = one;
    if (established === undefined) continue;
    const check = withContext(established, gate(established));
    const key = checkKey({ ...check, resource: { type: check.resource.type, id: '-' } });
    const group = groups.get(key) ?? [];
    group.push({ one, established, gate: check });
    groups.set(key, group);
  }
  return groups;
}

/** Undefined where it can't be told, or not cheaply: then the checks will. */
async function lookUp(
  lookup: Reach,
  limit: number,
  consistency: Consistency,
  { relationships }: Deciding,
): Promise<ReadonlySet<string> | undefined> {
  try {
    const { ids, complete } = await relationships.lookupResources(
      { ...lookup, limit, withinMs: LOOKUP_MS },
      consistency,
    );
    return complete ? new Set(ids) : undefined;
  } catch (error) {
    if (error instanceof Fault || error instanceof BadRequest) return undefined;
    throw error;
  }
}
