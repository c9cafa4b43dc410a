/** A right for an hour over the real application: denied, asked for, given, used, and taken back. */
import { beforeAll, describe, expect, it } from 'vitest';
import { APPROVAL_FILES } from '../../support/approval-world.js';
import { clientNamed, startFiles, type Answer, type Running } from '../../support/sample.js';

const FILES = {
  ...APPROVAL_FILES,
  'schema.zed': `use expiration
definition user {}
definition agent {
  relation delegator: user
}
definition repository {
  relation owner: user
  relation maintainer: user | user with expiration
  relation reader: user
  permission push = owner + maintainer
  permission read = reader + push
}`,
  'schema.cedarschema': `
entity User { name?: String };
entity Agent { name?: String };
entity Repository {};
@elevation("maintainer by owner for PT1H if read") @scope("code.write") @title("Push to a repository") @effect("write")
action "push" appliesTo { principal: [Agent, User], resource: [Repository] };`,
  'policies/all.cedar':
    '@id("all") @title("Everything that the relationships allow.") permit (principal, action, resource);',
  'world.yaml': `relationships: |
  repository:api#owner@user:olga
  repository:api#reader@user:ann
  agent:coder#delegator@user:ann
  agent:coder#delegator@user:sam
entities:
  - { type: agent, id: coder, attributes: { name: Coder } }
`,
};

describe('an elevation over HTTP', () => {
  let running: Running;
  // SpiceDB expires relationships by the host's clock.
  const now = new Date();
  beforeAll(async () => {
    running = await startFiles(FILES, { clients: [clientNamed('git', 'git', 'evaluate', 'asserts_subject')] });
    running.at(now);
    return () => running.stop();
  });
  const headers = { authorization: 'Bearer git-key' };
  const questionOf = (user: string) => ({
    subject: { type: 'user', id: user },
    action: { name: 'push' },
    resource: { type: 'repository', id: 'api' },
  });
  async function ask(user: string, context: object = {}): Promise<Answer> {
    const token = await running.mint({ user, agent: 'coder', scope: 'code.write', audience: 'git' });
    const response = await running.post(
      '/access/v1/evaluation',
      { ...questionOf(user), context: { token, ...context } },
      headers,
    );
    return response.json<Answer>();
  }
  const offerOf = ({ context }: Answer): unknown =>
    (context as { access_request?: unknown } | undefined)?.access_request;

  it('is offered only to a user who holds what it asks for', async () => {
    const denied = await ask('ann');
    expect(denied.context?.reasons.map(({ code }) => code)).toEqual(['approval_required', 'relationship_missing']);
    expect(offerOf(denied)).toBeDefined();
    const stranger = await ask('sam');
    expect(stranger.context?.reasons.map(({ code }) => code)).toEqual(['relationship_missing']);
    expect(offerOf(stranger)).toBeUndefined();
  });

  it('gives the right with the yes of an owner, and takes it back with the end of the approval', async () => {
    const denied = await ask('ann');
    const denial = { evaluation_id: denied.context?.evaluation_id, ...(offerOf(denied) as { expires_at: string }) };
    const { evaluation_id, expires_at } = denial;
    const opened = await running.post(
      '/access/v1/requests',
      { ...questionOf('ann'), denial: { evaluation_id, expires_at } },
      headers,
    );
    const { task } = opened.json<{ task: { id: string } }>();
    const asPerson = async (user: string) => ({ authorization: `Bearer ${await running.mint({ user })}` });
    const answer = async (user: string) =>
      running.post(`/v1/approvals/${task.id}/decision`, { decision: 'approve' }, await asPerson(user));
    expect((await answer('ann')).statusCode).toBe(403);
    expect((await answer('olga')).statusCode).toBe(200);
    expect((await ask('ann', { approval: { id: task.id } })).decision).toBe(true);
    // The right is the user's, for its hour.
    expect((await ask('ann')).decision).toBe(true);
    const ended = await running.app.inject({
      method: 'DELETE',
      url: `/v1/approvals/${task.id}`,
      headers: { host: `127.0.0.1:${running.service.config.port}`, ...(await asPerson('olga')) },
    });
    expect(ended.statusCode).toBe(204);
    expect((await ask('ann')).decision).toBe(false);
  });
});
