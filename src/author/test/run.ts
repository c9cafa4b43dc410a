/** Running cases: those of one scene together, by the steps of a decision. */
import { decide, type Deciding } from '../../decide/decide.js';
import type { Decision } from '../../model/decision.js';
import { BadRequest, Fault } from '../../model/faults.js';
import type { Client, Permission, Question } from '../../model/question.js';
import type { Rules } from '../../policy/load.js';
import type { World } from '../../config/world.js';
import type { Case, Scene } from './case.js';
import { compare, type Difference } from './compare.js';
import type { Ground } from './ground.js';

/** What came of a case. */
export interface Tried {
  readonly case: Case;
  /** Missing where it couldn't be asked. */
  readonly decision?: Decision;
  /** Why it couldn't be asked, or not be decided. */
  readonly error?: string;
  readonly differences: readonly Difference[];
}

export function passed({ error, differences }: Tried): boolean {
  return error === undefined && differences.length === 0;
}

/** Decided at one time: enough for two bulk checks. */
const AT_ONCE = 250;

/** One answer a case, in order. */
export async function run(cases: readonly Case[], rules: Rules, ground: Ground): Promise<readonly Tried[]> {
  const tried = new Map<Case, Tried>();
  const using = ground.deciding(rules);
  for (const group of scenes(cases)) {
    const refused = await ground.set(group.scene).catch(messageOf);
    for (let from = 0; from < group.cases.length; from += AT_ONCE) {
      const some = group.cases.slice(from, from + AT_ONCE);
      const answers =
        refused === undefined
          ? await Promise.all(some.map((one) => tryOne(one, using, ground)))
          : some.map((one) => impossible(one, `the world: ${refused}`));
      for (const answer of answers) tried.set(answer.case, answer);
    }
  }
  return cases.flatMap((one) => tried.get(one) ?? []);
}

/** Cases by what there is when they are asked, so that a world is laid out once. */
function scenes(cases: readonly Case[]): { readonly scene: Scene; readonly cases: readonly Case[] }[] {
  const worlds = new Map<World, Map<string, { scene: Scene; cases: Case[] }>>();
  for (const one of cases) {
    const { scene } = one;
    const of = worlds.get(scene.world) ?? new Map<string, { scene: Scene; cases: Case[] }>();
    worlds.set(scene.world, of);
    const key = JSON.stringify([scene.changes, scene.now]);
    const group = of.get(key) ?? { scene, cases: [] };
    of.set(key, group);
    group.cases.push(one);
  }
  return [...worlds.values()].flatMap((of) => [...of.values()]);
}

async function tryOne(one: Case, using: Deciding, ground: Ground): Promise<Tried> {
  try {
    const token = one.who.token === undefined ? undefined : await ground.token(one.who.token);
    const decision = await decide(question(one, token), using);
    const differences = compare(one.expected, decision);
    return decision.fault === undefined
      ? { case: one, decision, differences }
      : { case: one, decision, differences, error: decision.reason_admin };
  } catch (error) {
    return impossible(one, messageOf(error));
  }
}

function impossible(one: Case, error: string): Tried {
  return { case: one, error, differences: [] };
}

/** What the question or an engine is at fault for; a bug stays loud. */
function messageOf(error: unknown): string {
  if (error instanceof BadRequest) return error.at === '' ? error.message : `${error.at}: ${error.message}`;
  if (error instanceof Fault) return `${error.message} ${error.detail ?? ''}`.trim();
  throw error;
}

function question(
  { who, action, resource, context, supportedObligations, expected }: Case,
  token: string | undefined,
): Question {
  const { subject } = who;
  return {
    caller: { kind: 'client', client: who.asserts ? ASSERTING : CLIENT },
    subject,
    action: { name: action.name, properties: action.properties },
    resource: { type: resource.type, id: resource.id, properties: resource.properties },
    context,
    token,
    proof: {},
    usedProofs: new Map(),
    statedAgent: undefined,
    statedMode: token === undefined && who.agent === undefined ? 'human' : undefined,
    assertedAgent: who.agent,
    supportedObligations,
    consistency: 'full',
    dryRun: false,
    explain: expected.path !== undefined,
    requestId: undefined,
    tokenExpected: false,
  };
}

/** A client as most are, that may vouch for people; and one that may speak of their attributes. */
const CLIENT = client('evaluate', 'asserts_subject');
const ASSERTING = client('evaluate', 'asserts_subject', 'asserts_attributes');

function client(...may: readonly Permission[]): Client {
  return {
    id: 'remit-test',
    may: new Set(may),
    audience: undefined,
    resources: undefined,
    defaultMode: undefined,
    answers: 'full',
    rate: Infinity,
  };
}
