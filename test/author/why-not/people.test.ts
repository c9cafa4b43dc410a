/**
 * why-not keeps its word about people: the approvals and consents that it names are given in the very world that denied, beside
 * its other changes, and the same question is allowed then. Where such a yes decides, or one that no longer counts, it says so.
 */
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import type { ProposedChange } from '../../../src/author/why-not/change.js';
import { replaceMember } from '../../../src/author/why-not/change.js';
import { explainDenial, type WhyNotAnswer } from '../../../src/author/why-not/why-not.js';
import { acceptedBody } from '../../../src/cli/service-client.js';
import { serviceWorld } from '../../../src/cli/service-world.js';
import { readSources } from '../../../src/config/files.js';
import type { ReplayableRecord } from '../../../src/model/decision.js';
import { parseRecord } from '../../../src/records/parse-record.js';
import { ask, fetchApproval, requestAccess } from '../../support/approve.js';
import { minutes } from '../../support/approval-world.js';
import { DAYTIME, startFiles, type Answer, type Running } from '../../support/sample.js';

/** The traits of a document, each of which a policy asks about; a document is named after those it has. */
const TRAITS = ['guarded', 'double', 'personal', 'frozen'] as const;
const DOCUMENTS = Array.from({ length: 2 ** TRAITS.length }, (_, bits) => TRAITS.filter((__, i) => (bits & (2 ** i)) !== 0)); // prettier-ignore
const nameDocument = (traits: readonly string[]): string => ['d', ...traits].join('-');
const CONTEXT = 'consent?: Remit::Consent, approval?: Remit::Approval, request: { urgent?: Bool, rush?: Bool }';
const action = (name: string, annotations: string): string =>
  `@permission("read") @scope("docs") @effect("read") ${annotations}\naction "${name}" appliesTo { principal: [Agent, User], resource: [Doc], context: { ${CONTEXT} } };\n`;

const FILES = {
  'schema.zed': `definition user {}
definition agent {
  relation delegator: user
}
definition doc {
  relation reader: user
  relation boss: user
  relation lead: user
  permission read = reader
  permission first = boss
  permission second = lead
}`,
  'schema.cedarschema': `entity User;\nentity Agent;\nentity Doc { ${TRAITS.map((trait) => `${trait}: Bool`).join(', ')}, notes?: String };
${action('look', '')}${action('read', '@consent("standing")')}${action('sign', '@consent("each")')}`,
  'policies/all.cedar': `@id("all") permit (principal, action, resource);
@id("guarded") @remedy("approval:first") forbid (principal, action, resource) when { resource.guarded } unless { context has approval };
@id("double") @remedy("approval:second") forbid (principal, action, resource) when { resource.double } unless { context has approval };
@id("personal") @remedy("consent") forbid (principal, action, resource) when { resource.personal } unless { context has consent && context.consent.confirmed };
@id("rushed") forbid (principal, action, resource) when { context.request has rush && context.request.rush };
@id("frozen") forbid (principal, action, resource) when { resource.frozen && context has approval };
@id("notes") @duty("mask:notes") permit (principal, action, resource);`,
  'world.yaml': `relationships: |
  agent:helper#delegator@user:ann
${DOCUMENTS.flatMap((traits) => [['reader', 'ann'], ['boss', 'bea'], ['lead', 'lou']].map(([relation = '', user = '']) => `  doc:${nameDocument(traits)}#${relation}@user:${user}`)).join('\n')}
entities:
  - { type: agent, id: helper }
${DOCUMENTS.map((traits) => `  - { type: doc, id: ${nameDocument(traits)}, attributes: { ${TRAITS.map((trait) => `${trait}: ${String(traits.includes(trait))}`).join(', ')} } }`).join('\n')}
`,
}; // prettier-ignore

let remit: Running;
let credential: string;
beforeAll(async () => {
  remit = await startFiles(FILES);
  credential = remit.service.devKey ?? '';
  return () => remit.stop();
});

interface Question {
  readonly action: string;
  readonly traits: readonly (typeof TRAITS)[number][];
  readonly properties: Readonly<Record<string, unknown>>;
  readonly context: Readonly<Record<string, unknown>>;
  readonly token: { readonly scopes: readonly string[]; readonly background: boolean };
}

interface Situation extends Pick<Question, 'action' | 'traits'> {
  readonly isReader: boolean;
  /** Whether the document has lost its traits since. */
  readonly isRelaxed: boolean;
  readonly hasScope: boolean;
  readonly supportsDuties: boolean;
  readonly consent: 'none' | 'good' | 'withdrawn' | 'conditional' | 'background';
  /** What has become of an approval that the question presents. */
  readonly approval: 'none' | 'good' | 'expired' | 'used' | 'revoked' | 'of another';
}

async function toBody({ action: name, traits, properties, context, token }: Question): Promise<Parameters<typeof ask>[1]> {
  const minted = await remit.mint({ user: 'ann', agent: 'helper', scope: token.scopes.join(' '), background: token.background, ttlSeconds: 7200 });
  return {
    subject: { type: 'user', id: 'ann' },
    action: { name },
    resource: { type: 'doc', id: nameDocument(traits), properties },
    context: { ...context, token: minted },
  };
} // prettier-ignore
const askNow = async (question: Question): Promise<Answer> => ask(remit, await toBody(question), { credential });

async function consentTo({ action: name, traits }: Question, background: boolean, more: object = {}): Promise<string> {
  const details = [{ type: 'remit', actions: [name], resources: [`doc:${nameDocument(traits)}`] }];
  const body = { agent: 'helper', details, access: background ? 'background' : 'online', ends: minutes(120).toISOString(), ...more }; // prettier-ignore
  const response = await remit.request('POST', '/v1/consents', body, await remit.mint({ user: 'ann' }));
  expect(response.statusCode, response.body).toBe(201);
  return response.json<{ id: string }>().id;
}

/** Has everyone who can be asked say yes to what the denied question asks for. */
async function presentApproval(question: Question, denied: Answer): Promise<Question> {
  const body = await toBody(question);
  const { approval: _earlier, ...stated } = body.context as Record<string, unknown>;
  const id = await requestAccess(remit, { ...body, context: stated }, denied, { credential });
  for (const person of ['bea', 'lou', 'ann']) {
    const response = await remit.request('POST', `/v1/approvals/${id}/decision`, { decision: 'approve' }, await remit.mint({ user: person })); // prettier-ignore
    expect([200, 403, 404, 409], response.body).toContain(response.statusCode);
  }
  const approval = await fetchApproval(remit, id, credential);
  return { ...question, context: { ...question.context, approval } };
}

/** Puts the situation in place. @returns the question */
async function arrangeSituation(situation: Situation): Promise<Question> {
  const { action: name, traits, hasScope, supportsDuties, consent, approval } = situation;
  remit.at(DAYTIME);
  await setReader(traits, true);
  await storeTraits(traits, traits);
  for (const table of ['approval_tasks', 'consents']) await remit.service.database.run([{ sql: `delete from ${table}` }]);
  const plain: Question = { action: name, traits, properties: {}, context: {}, token: { scopes: ['docs'], background: false } };
  if (name === 'read' && consent !== 'none') {
    const id = await consentTo(plain, consent === 'background', consent === 'conditional' ? { when: { urgent: true } } : {});
    if (consent === 'withdrawn') await remit.request('DELETE', `/v1/consents/${id}`, undefined, await remit.mint({ user: 'ann' }));
  }
  let question = plain;
  const asked = approval === 'of another' ? { ...plain, context: { rush: false } } : plain;
  const denied = approval === 'none' ? undefined : await askNow(asked);
  if (denied?.context?.access_request !== undefined) {
    const presenting = await presentApproval(asked, denied);
    question = { ...plain, context: { approval: presenting.context['approval'] } };
    const { id } = presenting.context['approval'] as { id: string };
    if (approval === 'used') await askNow(presenting);
    if (approval === 'revoked') await remit.request('DELETE', `/v1/approvals/${id}`, undefined, await remit.mint({ user: 'ann' }));
    if (approval === 'expired') remit.at(minutes(16));
  }
  await setReader(traits, situation.isReader);
  if (situation.isRelaxed) await storeTraits(traits, []);
  const support = supportsDuties ? {} : { supported_obligations: [] };
  return { ...question, context: { ...question.context, ...support }, token: { scopes: hasScope ? ['docs'] : [], background: false } };
} // prettier-ignore

function setReader(traits: Situation['traits'], isReader: boolean): Promise<void> {
  const relationship = `doc:${nameDocument(traits)}#reader@user:ann`;
  return isReader ? remit.touch(relationship) : remit.remove(relationship);
}

async function storeTraits(named: Situation['traits'], traits: Situation['traits']): Promise<void> {
  const attributes = Object.fromEntries(TRAITS.map((trait) => [trait, traits.includes(trait)]));
  const response = await remit.request('PUT', `/v1/entities/doc/${nameDocument(named)}`, { attributes });
  expect(response.statusCode, response.body).toBe(200);
}

async function explain(denied: Answer): Promise<WhyNotAnswer> {
  const get = async (path: string) => {
    const response = await remit.request('GET', path);
    return { status: response.statusCode, text: response.body };
  };
  const stored = acceptedBody(await get(`/v1/decisions/${denied.context?.id ?? ''}?values=true`));
  const record = parseRecord(stored, 'the record') as ReplayableRecord;
  const { activePolicies, config } = remit.service;
  return explainDenial(record, { rules: activePolicies.rules, sources: readSources(config.sources), world: serviceWorld({ get }) }); // prettier-ignore
}

/** The question with the changes made, those of the world as well. */
async function makeChanges(question: Question, changes: readonly ProposedChange[]): Promise<Question> {
  let changed = question;
  for (const change of changes) {
    const { context, token } = changed;
    if (change.kind === 'relationship')
      await (change.operation === 'delete' ? remit.remove(change.relationship) : remit.touch(change.relationship)); // prettier-ignore
    else if (change.kind === 'request' && change.at[0] === 'context')
      changed = { ...changed, context: replaceMember(context, change.at.slice(1), change.value) };
    else if (change.kind === 'request' && change.at[0] === 'resource')
      changed = { ...changed, properties: replaceMember(changed.properties, change.at.slice(2), change.value) };
    else if (change.kind === 'token' && 'scopes' in change)
      changed = { ...changed, token: { ...token, scopes: [...token.scopes, ...change.scopes] } };
    else if (change.kind === 'token' && 'access' in change)
      changed = { ...changed, token: { ...token, background: change.access === 'background' } };
    else if (change.kind !== 'people') throw new Error(`not made here: ${JSON.stringify(change)}`);
  }
  return changed;
}

/** Has people say what is named, and asks again. */
async function askWithPeople(question: Question, remedies: readonly { readonly type: string }[]): Promise<Answer> {
  if (question.action === 'read' && remedies.some(({ type }) => type === 'consent'))
    await consentTo(question, question.token.background);
  const denied = await askNow(question);
  if (denied.decision) return denied;
  expect(denied.context?.access_request, JSON.stringify(denied)).toBeDefined();
  return askNow(await presentApproval(question, denied));
}

const situations: fc.Arbitrary<Situation> = fc.record({
  action: fc.constantFrom('look', 'read', 'sign'),
  traits: fc.subarray([...TRAITS]),
  isReader: fc.boolean(),
  isRelaxed: fc.boolean(),
  hasScope: fc.boolean(),
  supportsDuties: fc.boolean(),
  consent: fc.constantFrom('none', 'good', 'withdrawn', 'conditional', 'background'),
  approval: fc.constantFrom('none', 'good', 'expired', 'used', 'revoked', 'of another'),
});

/** Whether no yes of people and no change of the request or the world can help: only other policies would. */
function needsOtherPolicies({ action: name, traits, isRelaxed }: Situation): boolean {
  if (isRelaxed) return false;
  const needsApproval = traits.includes('guarded') || traits.includes('double');
  return (traits.includes('frozen') && needsApproval) || (traits.includes('personal') && name === 'look');
}

it('what it names, done in the same world, turns the answer; and it names something wherever there is something', async () => {
  const kinds = new Set<string>();
  await fc.assert(
    fc.asyncProperty(situations, async (situation) => {
      const question = await arrangeSituation(situation);
      const denied = await askNow(question);
      if (denied.decision) return;
      const explanation = await explain(denied);
      expect(['changes', 'none']).toContain(explanation.kind);
      if (explanation.kind !== 'changes' && explanation.kind !== 'none') return;
      const { people } = explanation;
      const changes = explanation.kind === 'changes' ? explanation.changes.map(({ change }) => change) : [];
      const isMade = changes.length > 0 && changes.every(({ kind }) => kind !== 'policy' && kind !== 'entity');
      if (!needsOtherPolicies(situation)) expect(people !== undefined || isMade, JSON.stringify([situation, explanation])).toBe(true); // prettier-ignore
      for (const { kind } of isMade ? changes : []) kinds.add(kind);
      if (people !== undefined) {
        kinds.add('people alone');
        const allowed = await askWithPeople(question, people);
        expect(allowed.decision, JSON.stringify([situation, people, allowed])).toBe(true);
      }
      if (!isMade) return;
      const changedAgain = await makeChanges(people === undefined ? question : await arrangeSituation(situation), changes);
      const said = changes.flatMap((change) => (change.kind === 'people' ? change.remedies : []));
      const allowed = await (said.length === 0 ? askNow(changedAgain) : askWithPeople(changedAgain, said));
      expect(allowed.decision, JSON.stringify([situation, changes, allowed])).toBe(true);
    }),
    { numRuns: 60 },
  );
  expect([...kinds].sort()).toEqual(['people', 'people alone', 'relationship', 'request', 'token']);
}, 300_000); // prettier-ignore

it('Where nothing but an approval that no longer counts denies, it is to be left out', async () => {
  const plain = { action: 'look', traits: ['guarded'], isReader: true, hasScope: true, supportsDuties: true, consent: 'none' } as const; // prettier-ignore
  for (const approval of ['expired', 'used', 'revoked', 'of another'] as const) {
    const question = await arrangeSituation({ ...plain, approval, isRelaxed: true });
    const explanation = await explain(await askNow(question));
    expect(explanation).toMatchObject({ kind: 'changes', changes: [{ words: 'ask without context.approval' }] });
    expect(explanation).not.toHaveProperty('people');
  }
});
