/** Decisions that approvals have to do with, explained: what is asked for and of whom, the approval that was used, and what people can lift. */
import { beforeAll, describe, expect, it } from 'vitest';
import { explainDenial, type WhyNotAnswer } from '../../../src/author/why-not/why-not.js';
import { explanationText } from '../../../src/cli/print/explanation.js';
import { whyNotText } from '../../../src/cli/print/why-not.js';
import { readSources } from '../../../src/config/files.js';
import { serviceWorld } from '../../../src/cli/service-world.js';
import type { DecisionRecord } from '../../../src/model/decision.js';
import { parseRecord } from '../../../src/records/parse-record.js';
import { explainRecord, type Explanation } from '../../../src/records/explain/explain.js';
import { approve, ask, presenting, type AskedQuestion } from '../../support/approve.js';
import { minutes, startApprovalWorld } from '../../support/approval-world.js';
import { askFor, startConsentWorld } from '../../support/consent-world.js';
import { DAYTIME, type Answer, type Running } from '../../support/sample.js';

async function recordOf({ service }: Running, { context }: Answer): Promise<DecisionRecord> {
  const stored = await service.decisions.find(context?.id ?? '');
  return parseRecord(JSON.parse(JSON.stringify(stored?.record)), 'the record');
}
const explain = ({ service }: Running, record: DecisionRecord): Explanation =>
  explainRecord(record, service.activePolicies.rules);

async function whyNot(remit: Running, denied: Answer, credential?: string): Promise<WhyNotAnswer> {
  const get = async (path: string) => {
    const response = await remit.request('GET', path, undefined, credential);
    return { status: response.statusCode, text: response.body };
  };
  const { rules } = remit.service.activePolicies;
  const sources = readSources(remit.service.config.sources);
  return explainDenial(await recordOf(remit, denied), { rules, sources, world: serviceWorld({ get }) });
}

describe('a decision that an approval has to do with', () => {
  let remit: Running;
  let question: AskedQuestion;
  beforeAll(async () => {
    remit = await startApprovalWorld();
    const token = await remit.mint({ audience: 'git', user: 'ann', agent: 'coder', scope: 'code.write' });
    question = {
      subject: { type: 'user', id: 'ann' },
      action: { name: 'merge', properties: { branch: 'main' } },
      resource: { type: 'repository', id: 'api' },
      context: { token },
    };
    return () => remit.stop();
  });

  it('says what a deny asks for, and of whom', async () => {
    const explanation = explain(remit, await recordOf(remit, await ask(remit, question)));
    expect(explanation.asks_for).toEqual({
      steps: ['the yes of a holder of "own" on repository:api'],
      emergency: 'emergency',
      expires_at: minutes(15).toISOString(),
    });
    const text = explanationText(explanation);
    expect(text).toContain('approval would have lifted it; until 2030-03-04T10:15:00.000Z it could be asked for');
    expect(text).toContain('    the yes of a holder of "own" on repository:api\n');
    const bob = await remit.mint({ audience: 'git', user: 'max', agent: 'coder', scope: 'code.write' });
    const undelegated = await ask(remit, {
      ...question,
      subject: { type: 'user', id: 'max' },
      context: { token: bob },
    });
    expect(explain(remit, await recordOf(remit, undelegated))).not.toHaveProperty('asks_for');
  });

  it('says which approval an allow has used, who gave it and when, and until when it is good', async () => {
    const approval = await approve(remit, question, await ask(remit, question), ['olga']);
    const record = await recordOf(remit, await ask(remit, presenting(question, approval)));
    const explanation = explain(remit, record);
    expect(explanation).not.toHaveProperty('asks_for');
    expect(explanation.approval).toEqual({
      id: approval.id,
      approved_until: minutes(15).toISOString(),
      approvers: [{ by: 'user:olga', at: DAYTIME.toISOString() }],
      scope: 'once',
    });
    const text = explanationText(explanation);
    expect(text).toContain(`it used the approval ${approval.id}, good until 2030-03-04T10:15:00.000Z, for one use`);
    expect(text).toContain('    by user:olga at 2030-03-04T10:00:00.000Z\n');
    // A reader that isn't shown the facts is told as much as the evidence has.
    const { facts: _facts, ...shown } = record;
    expect(explain(remit, shown as DecisionRecord).approval).toEqual({
      id: approval.id,
      approved_until: minutes(15).toISOString(),
      approvers: [{ by: 'user:olga' }],
    });
  });

  it('says which questions an approval of a class is good for', async () => {
    const details = [{ type: 'remit', actions: ['merge'], resources: ['repository:*'] }];
    const approval = await approve(remit, question, await ask(remit, question), ['olga'], {
      more: { requested_access: { details } },
      decision: { scope: 'until', until: minutes(30).toISOString() },
    });
    const explanation = explain(remit, await recordOf(remit, await ask(remit, presenting(question, approval))));
    expect(explanation.approval).toMatchObject({ id: approval.id, scope: 'until', details });
    expect(explanationText(explanation)).toContain('for all questions that this covers: {"type":"remit",');
  });

  it('is what people can allow, also where it was asked as a dry run, and none where more is missing', async () => {
    const people = [{ type: 'approval', permission: 'own' }];
    for (const context of [{}, { dry_run: true }]) {
      const denied = await ask(remit, { ...question, context: { ...question.context, ...context } });
      const answer = await whyNot(remit, denied, 'root-key');
      expect(answer).toMatchObject({ people });
      expect(whyNotText(answer)).toContain('people can allow it:\n    an approval by a holder of "own"\n');
    }
    const scopeless = await remit.mint({ audience: 'git', user: 'ann', agent: 'coder', scope: 'other' });
    const lacking = await whyNot(remit, await ask(remit, { ...question, context: { token: scopeless } }), 'root-key');
    expect(lacking).not.toHaveProperty('people');
  });
});

it('is what people can allow where the user’s consent is missing, and nothing else', async () => {
  const remit = await startConsentWorld();
  try {
    for (const asked of [{}, { action: 'sign', resource: 'mailbox:ann' }]) {
      const answer = await whyNot(remit, await askFor(remit, asked));
      expect(answer).toMatchObject({ people: [{ type: 'consent' }] });
      expect(whyNotText(answer)).toContain("people can allow it:\n    the user's consent\n");
    }
    expect(await whyNot(remit, await askFor(remit, { resource: 'calendar:sealed' }))).not.toHaveProperty('people');
    expect(await whyNot(remit, await askFor(remit, { resource: 'calendar:bob' }))).not.toHaveProperty('people');
  } finally {
    await remit.stop();
  }
});
