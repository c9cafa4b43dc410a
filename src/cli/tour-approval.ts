/** The approval of a question in the demo: the service asks for it, and a person gives it with a token of their own. */
import { z } from 'zod';
import { ConfigError } from '../model/faults.js';

/** The part of a denial by which an approval is asked for. */
const offeredDenialFormat = z.object({
  evaluation_id: z.string(),
  access_request: z.object({ expires_at: z.string() }),
});
const openedFormat = z.object({ task: z.object({ id: z.string() }) });
const approvedFormat = z.object({ result: z.object({ approval: z.looseObject({ id: z.string() }) }) });

/** A question as it was asked, without the token. */
export interface TourQuestion {
  readonly subject: object;
  readonly action: object;
  readonly resource: object;
}

/** Sends a request to the service and returns the body of its answer. */
export type TourCall = (method: 'GET' | 'POST', url: string, body?: object, credential?: string) => Promise<unknown>;

/**
 * @param denial the `context` of the answer that was a deny
 * @param approver the person's own token
 * @returns what the same question is asked with, as its `context.approval`
 * @throws ConfigError where the deny offers no request, or the person may not approve it
 */
export async function obtainApproval(
  call: TourCall,
  question: TourQuestion,
  denial: unknown,
  approver: string,
): Promise<object> {
  const denied = offeredDenialFormat.safeParse(denial);
  if (!denied.success) throw new ConfigError('an approval would not lift this deny', 'demo');
  const { evaluation_id, access_request } = denied.data;
  const opened = openedFormat.parse(
    await call('POST', '/access/v1/requests', {
      ...question,
      denial: { evaluation_id, expires_at: access_request.expires_at },
    }),
  );
  await call('POST', `/v1/approvals/${opened.task.id}/decision`, { decision: 'approve' }, approver);
  const { result } = approvedFormat.parse(await call('GET', `/access/v1/requests/${opened.task.id}`));
  return result.approval;
}
