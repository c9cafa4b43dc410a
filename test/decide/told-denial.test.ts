/** An agent that asks for itself can't tell by a deny whether what it names is there; its client is told all of it. */
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { codes, startFiles, type Answer, type Running } from '../support/sample.js';

const ZED = `definition user {}
definition agent { relation delegator: user
}
definition vault {}
definition doc {
  relation owner: user
}
`;
const VARIANTS = ['forbidden', 'permitted', 'either', 'titled', 'certain', 'failing', 'dutiful', 'lacking', 'offered'];
const SCHEMA = `entity User;
entity Agent;
entity Vault { level: Long, size?: Long };
entity Doc { status?: String, secret?: Bool, needed: String };
${VARIANTS.map(
  (name) => `@permission("owner") @scope("docs.write")
action "${name}" appliesTo { principal: [Agent], resource: [Doc], context: { action: { into?: Vault }, approval?: Remit::Approval } };`,
).join('\n')}
`;
const on = (name: string): string => `principal, action == Action::"${name}", resource`;
const HIGH = 'context.action has into && context.action.into.level > 3';
const POLICIES = `
${VARIANTS.filter((name) => !['permitted', 'either'].includes(name))
  .map((name) => `@id("permit-${name}") permit (${on(name)});`)
  .join('\n')}
@id("forbidden") forbid (${on('forbidden')}) when { ${HIGH} };
@id("permitted") permit (${on('permitted')}) when { context.action has into && context.action.into.level <= 3 };
@id("either-permit") permit (${on('either')}) when { context.action has into && context.action.into.level <= 3 };
@id("either-forbid") forbid (${on('either')}) when { context.action has into && context.action.into.level > 5 };
@id("titled") @title("Vaults above three are closed.") @remedy("approval:owner") forbid (${on('titled')}) when { ${HIGH} };
@id("certain-vault") forbid (${on('certain')}) when { ${HIGH} };
@id("certain-doc") @title("Drafts stay.") @remedy("consent") forbid (${on('certain')}) when { resource has status && resource.status == "draft" };
@id("failing") forbid (${on('failing')}) when { context.action has into && context.action.into.level * 9223372036854775807 > 3 };
@id("dutiful") @duty("notification:owner") permit (${on('dutiful')}) when { ${HIGH} };
@id("offered") @remedy("approval:owner") forbid (${on('offered')}) when { ${HIGH} } unless { context has approval };
@id("lacking") forbid (${on('lacking')}) when { ${HIGH} };
@id("lacking-doc") forbid (${on('lacking')}) when { resource.needed == "x" };
`;
const doc = (id: string, attributes: object): object => ({ type: 'doc', id, attributes });
const WORLD = {
  relationships: 'agent:bot#delegator@user:ann\ndoc:plan#owner@user:ann\ndoc:bare#owner@user:ann',
  entities: [
    { type: 'agent', id: 'bot' },
    { type: 'vault', id: 'low', attributes: { level: 1 } },
    { type: 'vault', id: 'high', attributes: { level: 9 } },
    { type: 'vault', id: 'half', attributes: { size: 1 } },
    doc('plan', { status: 'draft', needed: 'y' }),
    doc('bare', { status: 'draft' }),
  ],
}; // prettier-ignore

let remit: Running;
let token: string;
beforeAll(async () => {
  remit = await startFiles({
    'schema.zed': ZED,
    'schema.cedarschema': SCHEMA,
    'policies/all.cedar': POLICIES,
    'world.yaml': stringify(WORLD),
  });
  token = await remit.mint({ user: 'ann', agent: 'bot', scope: 'docs.write' });
  return () => remit.stop();
});

const question = (name: string, vault: string, id: string): object => ({
  subject: { type: 'user', id: 'ann' },
  action: { name, properties: { into: vault } },
  resource: { type: 'doc', id },
});

async function askAsAgent(name: string, vault: string, id = 'plan'): Promise<Answer> {
  const body = { ...question(name, vault, id), context: { supported_obligations: [] } };
  return (await remit.post('/access/v1/evaluation', body, { authorization: `Bearer ${token}` })).json();
}

/** The answer without what every answer has of its own. */
function withoutIdentity({ decision, context }: Answer): object {
  const { id: _id, evaluation_id: _evaluation, evaluated_at: _at, valid_until: _until, ...told } = context ?? {};
  return { decision, ...told };
}

describe('a deny to an agent that asks for itself', () => {
  it.each(VARIANTS)('says nothing of what its question names: %s', async (name) => {
    for (const id of ['plan', 'bare']) {
      const [high, ...others] = await Promise.all(
        ['high', 'nowhere', 'half'].map(async (vault) => withoutIdentity(await askAsAgent(name, vault, id))),
      );
      expect(high).toMatchObject({ decision: false });
      expect(others).toEqual([high, high]);
    }
  });

  it('still says what rests on nothing that it names', async () => {
    expect(withoutIdentity(await askAsAgent('certain', 'nowhere'))).toMatchObject({
      reason: 'policy_forbid',
      reasons: [{ code: 'policy_forbid' }],
      reason_user: { 403: expect.stringContaining('Drafts stay.') as string },
      remedies: [{ type: 'consent' }],
    });
    expect(codes(await askAsAgent('forbidden', 'low', 'bare'))).toEqual(['attribute_missing']);
    expect(codes(await askAsAgent('lacking', 'nowhere', 'bare'))).toEqual(['attribute_missing']);
  });

  it('offers no approval that would tell', async () => {
    expect((await askAsAgent('offered', 'high')).context).not.toHaveProperty('access_request');
    const byClient = await remit.evaluate({ ...question('offered', 'high', 'plan'), context: { token } });
    expect(byClient.context?.access_request).toBeDefined();
  });

  it('is an allow where what it names is there and permitted', async () => {
    expect((await askAsAgent('titled', 'low')).decision).toBe(true);
  });
});

it('A client is told which entity lacks what, and which policy forbids', async () => {
  const ask = (vault: string): Promise<Answer> =>
    remit.evaluate({ ...question('titled', vault, 'plan'), context: { token } });
  expect((await ask('nowhere')).context?.reasons).toMatchObject([
    { code: 'attribute_missing', message: 'Not stored, and this request can not state it: level of vault:nowhere.' },
  ]);
  expect((await ask('high')).context).toMatchObject({
    reasons: [{ code: 'policy_forbid', policies: ['titled'] }],
    reason_user: { 403: expect.stringContaining('Vaults above three are closed.') as string },
  });
});
