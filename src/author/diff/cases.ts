/** The cases of tests, asked of both sets of rules: whatever each test expects, only that both answer the same counts. */
import type { Rules } from '../../policy/load.js';
import { combination, type Case } from '../test/case.js';
import { Ground } from '../test/ground.js';
import { run, type Tried } from '../test/run.js';
import type { Answer } from './answer.js';
import type { Count } from './differences.js';
import type { Asked, Differences } from './differences.js';

/** Asked at one time, so that no more answers are kept than these. */
const AT_ONCE = 2000;

/** @throws Fault where SpiceDB won't start */
export async function compareCases(
  cases: readonly Case[],
  before: Rules,
  after: Rules,
  differences: Differences,
): Promise<Count> {
  const counted = { asked: 0, differing: 0, inconclusive: 0 };
  if (cases.length === 0) return counted;
  const grounds: Ground[] = [];
  try {
    const start = async ({ graph }: Rules): Promise<Ground> => {
      const ground = await Ground.start(graph);
      grounds.push(ground);
      return ground;
    };
    const [first, second] = [await start(before), await start(after)];
    for (let from = 0; from < cases.length; from += AT_ONCE) {
      const some = cases.slice(from, from + AT_ONCE);
      const [was, is] = [await run(some, before, first), await run(some, after, second)];
      for (const [i, one] of some.entries()) {
        const [a, b] = [answerOf(was[i]), answerOf(is[i])];
        counted.asked += 1;
        if (a.kind === 'inconclusive' || b.kind === 'inconclusive') counted.inconclusive += 1;
        const alone = (): Promise<boolean> => allowedAlone(one, after, second);
        if (await differences.add(askedOf(one), a, b, isForUser(one) ? alone : undefined)) counted.differing += 1;
      }
    }
    return counted;
  } finally {
    await Promise.all(grounds.map((ground) => ground.close()));
  }
}

function answerOf(tried: Tried | undefined): Answer {
  if (tried?.decision !== undefined && tried.error === undefined) return { kind: 'decided', decision: tried.decision };
  return { kind: 'inconclusive', missing: [tried?.error ?? 'no answer'] };
}

function askedOf(one: Case): Asked {
  const { file, line, column } = one.expected.place;
  return {
    origin: 'case',
    text: combination(one),
    action: one.action.name,
    resource: one.resource.type,
    where: [`${file}:${line}:${column}: ${one.test}`],
  };
}

/** An agent asks, for somebody. */
function isForUser({ who: { agent, token } }: Case): boolean {
  return agent !== undefined || token?.user !== undefined;
}

async function allowedAlone(one: Case, rules: Rules, ground: Ground): Promise<boolean> {
  const { subject, label } = one.who;
  const [tried] = await run([{ ...one, who: { label, subject, asserts: one.who.asserts } }], rules, ground);
  return tried?.decision === undefined || tried.decision.decision;
}
