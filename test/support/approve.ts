/** The path from a deny to the allow that an approval makes of it, over the real application. */
import { expect } from 'vitest';
import type { Answer, Running } from './sample.js';

/** An approval, as it is presented. */
export interface PresentableApproval {
  readonly id: string;
  readonly approved_until: string;
  readonly state?: string;
}

export interface AskedQuestion {
  readonly subject: object;
  readonly action: object;
  readonly resource: object;
  readonly context?: object;
}

/** Asks as a client, or with any credential. */
export async function ask(
  remit: Running,
  question: AskedQuestion,
  { credential = 'git-key', key }: { credential?: string; key?: string } = {},
): Promise<Answer> {
  const headers = { authorization: `Bearer ${credential}`, ...(key === undefined ? {} : { 'idempotency-key': key }) };
  const response = await remit.post('/access/v1/evaluation', question, headers);
  expect([200, 503], response.body).toContain(response.statusCode);
  return response.json();
}

/** Opens a task for the denial. @returns its id */
export async function requestAccess(
  remit: Running,
  question: AskedQuestion,
  { context: denial }: Answer,
  { credential = 'git-key', more = {} }: { credential?: string; more?: object } = {},
): Promise<string> {
  const { evaluation_id, access_request } = denial ?? {};
  const { context, ...asked } = question;
  const { token: _token, ...stated } = (context ?? {}) as Record<string, unknown>;
  const body = {
    ...asked,
    context: stated,
    denial: { evaluation_id, expires_at: access_request?.expires_at },
    ...more,
  };
  const response = await remit.post('/access/v1/requests', body, { authorization: `Bearer ${credential}` });
  expect(response.statusCode, response.body).toBe(202);
  return response.json<{ task: { id: string } }>().task.id;
}

/** Answers the task as each of the people, one after the other. */
export async function answer(
  remit: Running,
  id: string,
  people: readonly string[],
  decision: object = {},
): Promise<void> {
  for (const user of people) {
    const body = { decision: 'approve', ...decision };
    const response = await remit.request('POST', `/v1/approvals/${id}/decision`, body, await remit.mint({ user }));
    expect(response.statusCode, response.body).toBe(200);
  }
}

/** The approval that the task has become. */
export async function fetchApproval(remit: Running, id: string, credential = 'git-key'): Promise<PresentableApproval> {
  const response = await remit.request('GET', `/access/v1/requests/${id}`, undefined, credential);
  const { result } = response.json<{ result?: { approval: PresentableApproval } }>();
  if (result === undefined) throw new Error(response.body);
  return result.approval;
}

/** Asks for the denied question's approval, and has people give it. */
export async function approve(
  remit: Running,
  question: AskedQuestion,
  denied: Answer,
  people: readonly string[],
  { credential = 'git-key', more = {}, decision = {} }: { credential?: string; more?: object; decision?: object } = {},
): Promise<PresentableApproval> {
  const id = await requestAccess(remit, question, denied, { credential, more });
  await answer(remit, id, people, decision);
  return fetchApproval(remit, id, credential);
}

/** The question as it presents the approval. */
export function presenting(question: AskedQuestion, approval: object): AskedQuestion {
  return { ...question, context: { ...question.context, approval } };
}
