/** Why a list is empty: only what refuses the whole question is told, and the same whatever there is. */
import { beforeAll, describe, expect, it } from 'vitest';
import { start, type Running } from '../support/sample.js';

interface Listed {
  readonly results: readonly object[];
  readonly context?: { readonly reasons: readonly { readonly code: string; readonly step: string }[] };
}

let remit: Running;
beforeAll(async () => {
  remit = await start();
  return () => remit.stop();
});

const SCOPES = 'hr.employees.read code.read';
const mint = (user: string, agent: string, more: object = {}) => remit.mint({ user, agent, scope: SCOPES, ...more });
const search = async (what: string, body: object): Promise<Listed> =>
  (await remit.post(`/access/v1/search/${what}`, body)).json();
const codesOf = ({ context }: Listed): string[] => (context?.reasons ?? []).map(({ code }) => code);

describe('a whole question', () => {
  it('is refused for each kind of list alike', async () => {
    const user = { type: 'user', id: 'dave' };
    const context = { token: await mint('dave', 'payroll-exporter') };
    const question = { subject: user, action: { name: 'read' }, resource: { type: 'employee', id: 'erin' }, context };
    const lists = [
      await search('resource', { ...question, resource: { type: 'employee' } }),
      await search('subject', { ...question, subject: { type: 'user' } }),
      await search('action', question),
    ];
    for (const list of lists) {
      expect(list.results).toEqual([]);
      expect(codesOf(list)).toContain('delegation_missing');
    }
  });

  it('is not refused for what one action or one resource lacks', async () => {
    const ask = async (more: object) => {
      const context = { token: await mint('alice', 'hr-assistant', more) };
      const question = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, context };
      return [
        await search('resource', { ...question, resource: { type: 'employee' } }),
        await search('action', { ...question, resource: { type: 'employee', id: 'erin' } }),
      ] as const;
    };
    const [, actions] = await ask({ scope: 'none' });
    expect(actions).toEqual({ page: { next_token: '' }, results: [] });
    for (const list of await ask({ details: [{ type: 'remit', resources: ['employee:nobody'] }] }))
      expect(list).toEqual({ page: { next_token: '' }, results: [] });
  });

  it('says nothing of agents that nothing was delegated to, where agents are searched for', async () => {
    const subject = { type: 'agent', properties: { on_behalf_of: 'zoe' } };
    const asked = { subject, action: { name: 'read' }, resource: { type: 'employee', id: 'erin' } };
    expect(await search('subject', asked)).toEqual({ page: { next_token: '' }, results: [] });
  });

  it('is told alike of what there is and of what there isn’t', async () => {
    const context = { token: await mint('dave', 'payroll-exporter') };
    const subject = { type: 'user', id: 'dave' };
    const told = await Promise.all(
      ['erin', 'zoe', 'no-such-person'].map((id) =>
        search('action', { subject, resource: { type: 'employee', id }, context }),
      ),
    );
    expect(new Set(told.map((list) => JSON.stringify(list))).size).toBe(1);
  });
});
