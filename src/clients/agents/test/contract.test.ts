/** One contract for all adapters: against the real service, and, for its failures alone, against one that misbehaves. */
import { createClient, dpopProof, type AccessRequestTask } from 'remit-client';
import {
  withSubject,
  type RequestBinding,
  type ToolEvent,
  type ToolGuardOptions,
  type ToolQuestions,
  type WaitingApproval,
} from 'remit-agents';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { mintBoundToken, mintToken } from '../../support/mint.js';
import { answerJson, answerText, BROKEN_PROMISES, FAILURES, neverAnswer, StandIn } from '../../support/stand-in.js';
import { ai6Framework, ai7Framework } from './ai-framework.js';
import type { AgentRun, Arguments, Framework, ModelCall, TestTool } from './framework.js';
import { langChainFramework } from './langchain-framework.js';
import { mcpFramework } from './mcp-framework.js';
import { openaiFramework } from './openai-framework.js';

const { url, key, tokens } = inject('service');
const RECORD = { id: 'erin', name: 'Erin', salary: 125_000, ssn: '000-12-3456' };
const SECRETS = /125000|000-12-3456|salary|ssn/;
const ALICE: RequestBinding = { subject: { type: 'user', id: 'alice' }, token: tokens.reader };
const BOB: RequestBinding = { subject: { type: 'user', id: 'bob' }, token: tokens.exporter };
const CAROL: RequestBinding = { subject: { type: 'user', id: 'carol' }, token: tokens.coder };

const question: ToolQuestions = {
  read_employee: { action: 'read', resource: { type: 'employee', id: ({ id }) => id } },
  update_employee: { action: 'update', resource: { type: 'employee', id: ({ id }) => id } },
  delete_employee: { action: 'delete', resource: { type: 'employee', id: ({ id }) => id } },
  export_employee: { action: 'export', resource: { type: 'employee', id: ({ id }) => id } },
  merge_branch: { action: 'merge', resource: { type: 'repository', id: ({ repository }) => repository } },
};
const TAKES: Readonly<Record<string, readonly string[]>> = {
  read_employee: ['id'],
  update_employee: ['id', 'status'],
  delete_employee: ['id'],
  export_employee: ['id', 'format'],
  merge_branch: ['repository', 'branch'],
};
const standIn = new StandIn();
beforeAll(() => standIn.start());
afterAll(() => standIn.stop());

describe.each([ai6Framework, ai7Framework, langChainFramework, openaiFramework, mcpFramework])(
  '$name',
  (framework: Framework) => {
    const client = createClient({ url, key, timeoutMs: 20_000, obligations: { notification: () => undefined } });
    let ran: { tool: string; args: Arguments }[] = [];
    let events: ToolEvent[] = [];
    let requested: AccessRequestTask[] = [];
    let answer: (args: Arguments) => unknown = () => RECORD;
    const waiting = new Map<string, WaitingApproval>();
    afterEach(() => {
      [ran, events, requested] = [[], [], []];
      waiting.clear();
      answer = () => RECORD;
    });
    const guard: ToolGuardOptions = {
      question,
      approvals: waiting,
      onEvent: (event) => events.push(event),
      onApprovalRequested: (task) => requested.push(task),
    };
    const tools: readonly TestTool[] = Object.entries(TAKES).map(([name, takes]) => ({
      name,
      takes,
      run: (args) => {
        ran.push({ tool: name, args });
        return answer(args);
      },
    }));
    const start = (
      binding: RequestBinding,
      calls: readonly ModelCall[],
      more: Partial<Parameters<Framework['start']>[0]> = {},
    ): Promise<AgentRun> => withSubject(binding, () => framework.start({ tools, calls, client, guard, ...more }));
    const call = (tool: string, args: Arguments, id = 'call-1'): ModelCall => ({ id, tool, args });
    const read = call('read_employee', { id: 'erin' });

    describe('against the service', () => {
      it('shows what the agent may do on something, and hides the rest', async () => {
        const { shown } = await start(ALICE, []);
        expect([...shown].sort()).toEqual(['read_employee', 'update_employee']);
        expect([...(await start(BOB, [])).shown].sort()).toEqual(['export_employee', 'read_employee']);
        expect((await start(CAROL, [])).shown).toEqual(['merge_branch']);
        const all = await start(CAROL, [], { guard: { ...guard, hides: false } });
        expect(all.shown).toHaveLength(5);
      });

      it('does not hide all tools where the request has no good token: it says so', async () => {
        const [head = '', body = ''] = tokens.reader.split('.');
        for (const [token, code] of [
          ['x', 'token_malformed'],
          [`${head}.${body}.AAAA`, 'token_signature_invalid'],
        ])
          // prettier-ignore
          await expect(start({ ...ALICE, token: token ?? '' }, [read])).rejects.toMatchObject({ kind: 'denied', code });
        const none = start({ subject: ALICE.subject }, [read]);
        await expect(none).rejects.toMatchObject({
          kind: 'setup',
          message: expect.stringContaining('there is no token of an agent') as string,
        });
        expect(ran).toEqual([]);
      });

      it('names the tool whose action the service doesn’t know, and the action that is meant', async () => {
        const slip = (action: string, type: string): ToolQuestions => ({
          ...(question as object),
          delete_employee: { action, resource: { type, id: ({ id }) => id } },
        });
        const failed: unknown[] = [];
        const tell = { ...guard, onError: (error: unknown) => failed.push(error) };
        const fresh = createClient({ url, key, timeoutMs: 20_000 });
        const say = 'the authorization service does not know an action that is asked about: the tool delete_employee';
        for (const [action, type, end] of [
          ['delte', 'employee', 'asks for "delte" on "employee" (did you mean "delete"?)'],
          ['delete', 'employe', 'asks for "delete" on "employe" (did you mean "employee"?)'],
          ['transmogrify', 'employee', 'asks for "transmogrify" on "employee"'],
        ] as const) {
          const guarded = { ...tell, question: slip(action, type) };
          const error = { kind: 'setup', code: 'action', message: `${say} ${end}` };
          await expect(start(ALICE, [], { guard: guarded, client: fresh })).rejects.toMatchObject(error);
          expect(failed).toEqual([]);
          const { results } = await start(ALICE, [call('delete_employee', { id: 'erin' })], {
            guard: { ...guarded, hides: false },
            client: fresh,
          });
          expect([results['call-1'], failed.splice(0)]).toMatchObject([{ code: 'misconfigured' }, [error]]);
        }
        expect(ran).toEqual([]);
      });

      it('presents a token that is bound to a key with a proof for each question, and none counts twice', async () => {
        const makeKeys = () => crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
        const keys = await makeKeys();
        const { subject } = ALICE;
        const masked = { id: 'erin', name: 'Erin' };
        const token = await mintBoundToken(keys.publicKey);
        const proof = dpopProof(keys, 'https://agent.example/run?x=1');
        const again = call('read_employee', { id: 'erin' }, 'call-2');
        const { shown, results } = await start({ subject, token, proof }, [read, again]);
        expect(shown).toEqual(['read_employee']);
        expect(results).toEqual({ 'call-1': masked, 'call-2': masked });
        const kept = proof(token);
        const errors: unknown[] = [];
        const tell = { guard: { ...guard, hides: false, onError: (error: unknown) => errors.push(error) } };
        const refused = [{ refused: true, code: 'denied' }, masked];
        const twice = await start({ subject, token, proof: () => kept }, [read, again], tell);
        expect(Object.values(twice.results)).toEqual(expect.arrayContaining(refused.map((part) => expect.objectContaining(part) as object)));
        const other = dpopProof(await makeKeys(), 'https://agent.example/run');
        expect((await start({ subject, token, proof: other }, [read], tell)).results).toMatchObject({ 'call-1': { code: 'denied' } });
        expect([errors, ran.length]).toEqual([[], 3]);
        expect((await start({ subject, token }, [read], tell)).results).toMatchObject({ 'call-1': { code: 'denied' } });
        expect(errors).toMatchObject([{ kind: 'setup', message: expect.stringContaining('comes without a proof') as string }]);
      }); // prettier-ignore

      it('runs what is allowed, and masks its result', async () => {
        const { results } = await start(ALICE, [read]);
        expect(results['call-1']).toEqual({ id: 'erin', name: 'Erin' });
        expect(ran).toEqual([{ tool: 'read_employee', args: { id: 'erin' } }]);
        expect(events.map(({ result }) => result)).toEqual(['allowed', 'executed']);
        await expectOutcome('executed');
      });

      it('asks with the arguments as the action’s properties, once a call', async () => {
        const can = vi.spyOn(client, 'can');
        try {
          await start(BOB, [call('export_employee', { id: 'zoe', format: 'csv' })]);
          expect(can).toHaveBeenCalledTimes(1);
          expect(can.mock.calls[0]?.[0]).toEqual({
            subject: BOB.subject,
            action: { name: 'export', properties: { id: 'zoe', format: 'csv' } },
            resource: { type: 'employee', id: 'zoe' },
            context: { token: BOB.token },
          });
          expect(ran).toHaveLength(1);
        } finally {
          can.mockRestore();
        }
      });

      it('refuses what is denied, in words that the model can read and that tell nothing of policies', async () => {
        const { results } = await start(ALICE, [call('read_employee', { id: 'grace' })]);
        expect(results['call-1']).toEqual({
          refused: true,
          code: 'denied',
          message: expect.any(String) as string,
          decision: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
        });
        expect(JSON.stringify(results)).not.toMatch(/cedar|policy|permission|rationale|127\.0\.0\.1/);
        expect([ran, events.map(({ result }) => result)]).toEqual([[], ['refused']]);
      });

      it('tells a deny that only the user’s consent would lift, and no other, from the rest', async () => {
        const calendar = { action: 'read', resource: { type: 'calendar', id: ({ id }: { id?: unknown }) => id } };
        const guarded = { ...guard, hides: false, question: { ...(question as object), read_employee: calendar } };
        const token = await mintToken(['--user', 'alice', '--agent', 'hr-assistant', '--scope', 'office.calendar.read']);
        const ask = async (id: string): Promise<unknown> =>
          (await start({ ...ALICE, token }, [call('read_employee', { id })], { guard: guarded })).results['call-1'];
        expect(await ask('alice')).toMatchObject({ refused: true, code: 'consent_required' });
        expect(await ask('dave')).toMatchObject({ refused: true, code: 'denied' });
        expect(ran).toEqual([]);
      }); // prettier-ignore

      it('does not run a hidden tool that is called anyway', async () => {
        const { results } = await start(ALICE, [call('delete_employee', { id: 'erin' })]).catch(() => ({
          results: {},
        }));
        expect([ran, JSON.stringify(results).includes('Erin')]).toEqual([[], false]);
        const shown = await start(ALICE, [call('delete_employee', { id: 'erin' })], {
          guard: { ...guard, hides: false },
        });
        expect([shown.results['call-1'], ran]).toMatchObject([{ refused: true, code: 'denied' }, []]);
      });

      it('takes the subject of the request, whatever the model says of users', async () => {
        const spoken = {
          id: 'grace',
          subject: 'user:grace',
          user: 'grace',
          on_behalf_of: 'grace',
          token: tokens.owner,
        };
        const speaking = tools.map((tool) => ({ ...tool, takes: [...tool.takes, ...Object.keys(spoken)] }));
        const { results } = await start(ALICE, [call('read_employee', spoken)], { tools: speaking });
        expect([results['call-1'], ran]).toMatchObject([{ refused: true }, []]);
      });

      it('denies a subject that isn’t the token’s', async () => {
        const grace = { ...ALICE, subject: { type: 'user', id: 'grace' } };
        const { results } = await start(grace, [read]);
        expect([results['call-1'], ran]).toMatchObject([{ refused: true, code: 'denied' }, []]);
      });

      it('keeps requests apart that run at the same time', async () => {
        const people = [ALICE, BOB, ALICE, BOB, ALICE, BOB];
        const runs = await Promise.all(
          people.map((person) => start(person, [call('read_employee', { id: person === BOB ? 'zoe' : 'erin' })])),
        );
        for (const { results } of runs) expect(results['call-1']).toMatchObject({ name: 'Erin' });
        // Each asks for what only the other may read.
        const crossed = await Promise.all(
          people.map((person) => start(person, [call('read_employee', { id: person === BOB ? 'erin' : 'zoe' })])),
        );
        for (const { results } of crossed) expect(results['call-1']).toMatchObject({ code: 'denied' });
        expect(ran).toHaveLength(people.length);
      });

      it('decides each of several calls by itself', async () => {
        const { results } = await start(ALICE, [
          call('read_employee', { id: 'erin' }, 'a'),
          call('read_employee', { id: 'grace' }, 'b'),
          call('update_employee', { id: 'erin', status: 'on_leave' }, 'c'),
        ]);
        expect(results).toMatchObject({ a: { name: 'Erin' }, b: { code: 'denied' }, c: RECORD });
        expect(ran.map(({ tool }) => tool).sort()).toEqual(['read_employee', 'update_employee']);
      });

      it('refuses arguments that can not exist', async () => {
        const { results } = await start(ALICE, [call('read_employee', { id: 'a\nb' })]);
        expect([results['call-1'], ran]).toMatchObject([{ refused: true, code: 'bad_arguments' }, []]);
        expect((await start(ALICE, [call('read_employee', { id: '' })])).results['call-1']).toMatchObject({ code: 'bad_arguments' }); // prettier-ignore
      });

      it('tells that a tool has failed, and nothing of what is masked in its error', async () => {
        answer = () => {
          throw new Error(`no: ${RECORD.ssn}`);
        };
        const { results } = await start(ALICE, [read]).catch((error: unknown) => ({
          results: { error: String(error) },
        }));
        expect(JSON.stringify(results)).not.toMatch(SECRETS);
        expect([ran.length, events.at(-1)?.result]).toEqual([1, 'failed']);
      });

      it('tells the service of a failure', async () => {
        answer = () => {
          throw new Error('no');
        };
        await start(ALICE, [call('update_employee', { id: 'erin', status: 'active' })]).catch(() => undefined);
        await expectOutcome('failed');
      });

      it('puts no argument, subject or result into its events', async () => {
        await start(ALICE, [read, call('read_employee', { id: 'grace' }, 'b')]);
        expect(events.length).toBeGreaterThan(2);
        expect(JSON.stringify(events)).not.toMatch(/erin|grace|alice|Erin|125000|eyJ/i);
      });
    });

    describe('what has to be masked', () => {
      it.each<[string, unknown, unknown]>([
        ['a list', [RECORD, RECORD], [{ id: 'erin', name: 'Erin' }, { id: 'erin', name: 'Erin' }]], // prettier-ignore
        ['an envelope', { data: [{ employee: RECORD }] }, { data: [{ employee: { id: 'erin', name: 'Erin' } }] }],
        ['a text of JSON', JSON.stringify(RECORD), { id: 'erin', name: 'Erin' }],
        ['a text of a text within', { body: JSON.stringify(JSON.stringify(RECORD)) }, { body: JSON.stringify('{"id":"erin","name":"Erin"}') }], // prettier-ignore
        ['a text within', { body: JSON.stringify(RECORD) }, { body: '{"id":"erin","name":"Erin"}' }],
        ['a value with toJSON', { toJSON: () => RECORD }, { id: 'erin', name: 'Erin' }],
      ])('is masked in %s', async (_name, result, shown) => {
        answer = () => result;
        expect((await start(ALICE, [read])).results['call-1']).toEqual(shown);
      });

      it.each<[string, unknown]>([
        ['plain text', `The ssn is ${RECORD.ssn}`],
        ['a bare number', 125_000],
        ['a key that is given twice', '{"ssn":"x","s\\u0073n":"000-12-3456"}'],
        ['lines of JSON', `${JSON.stringify(RECORD)}\n${JSON.stringify(RECORD)}`],
        ['a message’s part', { type: 'text', text: `salary: ${RECORD.salary}` }],
        ['a list of texts', [`Erin earns ${RECORD.salary}`]],
        ['rows', { columns: ['name', 'ssn'], rows: [['Erin', RECORD.ssn]] }],
        ['a model’s input', { type: 'input_text', text: `salary: ${RECORD.salary}` }],
        ['a model’s output', { parts: [{ type: 'output_text', text: `salary: ${RECORD.salary}` }] }],
        ['an image', { type: 'image', image: RECORD.ssn }],
        ['a sound', [{ type: 'input_audio', data: RECORD.ssn }]],
        ['a file within a text', { body: JSON.stringify({ type: 'file', file: RECORD.ssn }) }],
        ['broken JSON within', { body: JSON.stringify(RECORD).slice(0, -1) }],
      ])('isn’t shown as %s', async (_name, result) => {
        answer = () => result;
        const { results } = await start(ALICE, [read]);
        expect(results['call-1']).toMatchObject({ refused: true, code: 'not_shown' });
        expect([ran.length, SECRETS.test(JSON.stringify(results))]).toEqual([1, false]);
      });
    });

    describe('approvals', () => {
      const merge = (): ModelCall =>
        call('merge_branch', { repository: 'payments-api', branch: 'main' }, `merge-${crypto.randomUUID()}`);
      const decideTask = async (decision: string, terms: object = {}): Promise<void> => {
        const task = requested.at(-1)?.id ?? '';
        const response = await fetch(`${url}/v1/approvals/${task}/decision`, {
          method: 'POST',
          headers: { authorization: `Bearer ${tokens.owner}`, 'content-type': 'application/json' },
          body: JSON.stringify({ decision, ...terms }),
        });
        expect(response.status, await response.text()).toBe(200);
      };
      afterEach(async () => {
        await Promise.all(requested.map((task) => task.cancel().catch(() => undefined)));
      });
      const resume = (run: AgentRun, ...how: Parameters<AgentRun['resume']>): Promise<AgentRun> =>
        withSubject(CAROL, () => run.resume(...how));

      it('stop the agent; once people have given one, the call runs, once', async () => {
        answer = () => 'merged';
        const merging = merge();
        const stopped = await start(CAROL, [merging]);
        expect([stopped.isStopped, requested.length, ran]).toEqual([true, 1, []]);
        await decideTask('approve');
        const resumed = await resume(stopped, 'approve');
        expect([resumed.isStopped, resumed.results[merging.id], ran]).toEqual([
          false,
          'merged',
          [{ tool: 'merge_branch', args: merging.args }],
        ]);
        await expectOutcome('executed');
        // The very same call again is another use, which needs another approval.
        expect((await start(CAROL, [merging])).isStopped).toBe(true);
        expect(ran).toHaveLength(1);
      });

      describe('of a class of calls', () => {
        const titled = tools
          .filter(({ name }) => name === 'merge_branch')
          .map((tool) => ({ ...tool, takes: [...tool.takes, 'title'] }));
        const details = [{ type: 'remit', actions: ['merge'], resources: ['repository:payments-api'] }];
        const ofClass = { tools: titled, guard: { ...guard, accessRequest: () => ({ details }) } };
        const mergeAs = (title: string, repository = 'payments-api', branch = 'main'): ModelCall =>
          call('merge_branch', { repository, branch, title }, `merge-${crypto.randomUUID()}`);
        const approveClass = (): Promise<void> =>
          decideTask('approve', { scope: 'until', until: new Date(Date.now() + 3_600_000).toISOString() });

        it('serve its further calls, and nothing else, until they are ended', async () => {
          answer = () => 'merged';
          const stopped = await start(CAROL, [mergeAs('one')], ofClass);
          expect([stopped.isStopped, requested.length]).toEqual([true, 1]);
          await approveClass();
          const id = requested[0]?.id ?? '';
          await resume(stopped, 'approve');
          for (const title of ['two', 'three', 'two']) {
            const { isStopped, results } = await start(CAROL, [mergeAs(title)], ofClass);
            expect([isStopped, Object.values(results)]).toEqual([false, ['merged']]);
          }
          expect([ran.length, requested.length]).toEqual([4, 1]);
          await expectOutcome('executed');
          // Another repository is none of the class, and another user has no approval.
          const ofAnother = { ...ofClass, guard };
          expect((await start(CAROL, [mergeAs('four', 'payments-ledger', 'release')], ofAnother)).isStopped).toBe(true);
          expect(requested).toHaveLength(2);
          const asAlice = { ...ofClass, guard: { ...ofClass.guard, hides: false } };
          await start(ALICE, [mergeAs('five')], asAlice).catch(() => undefined);
          expect(ran).toHaveLength(4);
          const ended = await fetch(`${url}/v1/approvals/${id}`, {
            method: 'DELETE',
            headers: { authorization: `Bearer ${tokens.owner}` },
          });
          expect(ended.status, await ended.text()).toBeLessThan(300);
          expect((await start(CAROL, [mergeAs('six')], ofClass)).isStopped).toBe(true);
          expect([ran.length, requested.length]).toEqual([4, 3]);
        });

        it('are kept for no other while no call was allowed by them', async () => {
          const stopped = await start(CAROL, [mergeAs('one')], ofClass);
          await approveClass();
          await resume(stopped, 'reject').catch(() => undefined);
          expect((await start(CAROL, [mergeAs('two')], ofClass)).isStopped).toBe(true);
          expect(ran).toEqual([]);
        });
      });

      it('that people have not given are not made up for by the framework’s own', async () => {
        const stopped = await start(CAROL, [merge()]);
        const resumed = await resume(stopped, 'approve');
        expect(ran).toEqual([]);
        expect(Object.values(resumed.results)).toMatchObject([{ refused: true, code: 'approval_required' }]);
      });

      it('that people have denied run nothing', async () => {
        const stopped = await start(CAROL, [merge()]);
        await decideTask('deny');
        const resumed = await resume(stopped, 'approve');
        expect([Object.values(resumed.results), ran]).toMatchObject([[{ refused: true, code: 'rejected' }], []]);
      });

      it('rejected in the framework run nothing, though people have given one', async () => {
        const stopped = await start(CAROL, [merge()]);
        await decideTask('approve');
        await resume(stopped, 'reject').catch(() => undefined);
        expect(ran).toEqual([]);
      });

      it.each<[string, Arguments]>([
        ['a branch that nothing protects', { repository: 'payments-api', branch: 'mine' }],
        ['another one that is protected', { repository: 'payments-ledger', branch: 'release' }],
        ['another repository', { repository: 'platform-core', branch: 'main' }],
      ])('given for one call do not count for %s', async (_name, changed) => {
        // Where nothing is resumed, a call that is allowed as it is needs no approval.
        if (!framework.stops && changed['branch'] === 'mine') return;
        const stopped = await start(CAROL, [merge()]);
        await decideTask('approve');
        const resumed = await resume(stopped, 'approve', changed).catch(() => undefined);
        expect(ran).toEqual([]);
        expect(JSON.stringify(resumed?.results ?? {})).not.toContain('Erin');
      });

      it('given for one user do not count for another', async () => {
        const stopped = await start(CAROL, [merge()]);
        await decideTask('approve');
        await withSubject(ALICE, () => stopped.resume('approve')).catch(() => undefined);
        expect(ran).toEqual([]);
      });
    });

    describe('fails closed', () => {
      const broken = (timeoutMs = 300): ReturnType<typeof createClient> =>
        createClient({ url: standIn.url, key, timeoutMs });
      const guardAll: ToolGuardOptions = { ...guard, hides: false };
      it.each(Object.keys(FAILURES))('where the service answers with %s', async (name) => {
        standIn.react(FAILURES[name] ?? neverAnswer);
        const { results } = await start(ALICE, [read], { client: broken(), guard: guardAll });
        expect([results['call-1'], ran]).toMatchObject([{ refused: true }, []]);
        expect((results['call-1'] as { code: string }).code).toMatch(/^(unavailable|denied|misconfigured)$/);
      });

      it.each(Object.keys(BROKEN_PROMISES))('where an allow has %s', async (name) => {
        standIn.react(BROKEN_PROMISES[name] ?? neverAnswer);
        const { results } = await start(ALICE, [read], { client: broken(2_000), guard: guardAll });
        expect([results['call-1'], ran]).toMatchObject([{ refused: true, code: 'denied' }, []]);
      });

      it('where the service can not be reached, and tells no address of it', async () => {
        const dead = createClient({ url: 'http://127.0.0.1:9', key, timeoutMs: 300 });
        const { results } = await start(ALICE, [read], { client: dead, guard: guardAll });
        expect([results['call-1'], ran]).toMatchObject([{ code: 'unavailable' }, []]);
        expect(JSON.stringify(results)).not.toContain('127.0.0.1');
        await expect(start(ALICE, [read], { client: dead })).rejects.toMatchObject({ kind: 'unavailable' });
      });

      it('where the key is wrong', async () => {
        const wrong = createClient({ url, key: 'wrong', timeoutMs: 20_000 });
        const { results } = await start(ALICE, [read], { client: wrong, guard: guardAll });
        expect([results['call-1'], ran]).toMatchObject([{ code: 'misconfigured' }, []]);
      });

      it('where an allow comes late, after the tool could have been run', async () => {
        standIn.react((request, response) => {
          setTimeout(() => answerJson({ decision: true })(request, response), 1_000);
        });
        const { results } = await start(ALICE, [read], { client: broken(), guard: guardAll });
        expect([results['call-1'], ran]).toMatchObject([{ code: 'unavailable' }, []]);
      });

      it('where the list of capabilities can not be read', async () => {
        for (const text of ['{}', '{"capabilities": {}}', '<html>', '']) {
          standIn.react(answerText(text));
          await expect(start(ALICE, [read], { client: broken() })).rejects.toMatchObject({ kind: 'unavailable' });
        }
        expect(ran).toEqual([]);
      });

      it('where a tool has no question', async () => {
        const partial = { read_employee: { action: 'read', resource: { type: 'employee', id: 'erin' } } };
        await expect(start(ALICE, [read], { guard: { ...guard, question: partial } })).rejects.toThrow(TypeError);
        const { shown } = await start(ALICE, [], { guard: { ...guard, question: () => undefined } });
        expect(shown).toEqual([]);
      });

      it('for what can not be guarded, and for two tools of one name', async () => {
        await expect(withSubject(ALICE, () => framework.guardStranger(client, guard))).rejects.toThrow(TypeError);
        const twice = framework.guardTwice;
        if (twice === undefined) return;
        await expect(withSubject(ALICE, () => twice({ tools, calls: [], client, guard }))).rejects.toThrow(/two tools/);
      });

      it('outside of a request', async () => {
        await expect(framework.start({ tools, calls: [read], client, guard })).rejects.toThrow(/within a request/);
        const { results } = await framework.start({ tools, calls: [read], client, guard: guardAll });
        expect([results['call-1'], ran]).toMatchObject([{ refused: true, code: 'unbound' }, []]);
      });
    });

    /** Waits until the service has been told what became of the last decision. */
    async function expectOutcome(outcome: string): Promise<void> {
      const { decisionId } = events.findLast(({ result }) => result === 'allowed') ?? {};
      const readOutcome = async (): Promise<unknown> => {
        const response = await fetch(`${url}/v1/decisions/${decisionId}`, {
          headers: { authorization: `Bearer ${key}` },
        });
        return ((await response.json()) as { outcome?: { outcome: string } }).outcome?.outcome;
      };
      await vi.waitFor(async () => expect(await readOutcome()).toBe(outcome), { timeout: 30_000, interval: 20 });
    }
  },
);
