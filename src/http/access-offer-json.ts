/** `access_request` of a deny: how the caller asks for the approvals that would lift it. */
import { z } from 'zod';
import { listBoundNames } from '../decide/approval-binding.js';
import type { ApprovalSigning } from '../govern/approvals/signing.js';
import type { Decision } from '../model/decision.js';

const ACCESS_REQUEST_PATH = '/access/v1/requests';

export const accessRequestOfferFormat = z
  .object({
    expires_at: z.string().describe('Until when it can be asked for'),
    endpoint: z.string().describe('Where it is asked for'),
    binding_token: z.string().describe('Names the denial, beside its `evaluation_id`'),
    display: z.object({ title: z.string(), description: z.string() }).optional(),
  })
  .describe(
    'Approvals would lift the deny: the access request and approval profile of AuthZEN says how to ask for them',
  );

export type AccessRequestAnswer = z.infer<typeof accessRequestOfferFormat>;

/** @returns undefined where nothing can be asked for */
export async function describeOffer(
  { id, access_request: offer, display, evaluated_at }: Decision,
  signing: Pick<ApprovalSigning, 'signBindingToken'>,
  baseUrl: string,
): Promise<AccessRequestAnswer | undefined> {
  if (offer === undefined) return undefined;
  const { expires_at, binding } = offer;
  const denial = { evaluation_id: id, expires_at };
  return {
    expires_at,
    endpoint: baseUrl + ACCESS_REQUEST_PATH,
    binding_token: await signing.signBindingToken(denial, listBoundNames(binding), baseUrl, new Date(evaluated_at)),
    ...(display === undefined ? {} : { display }),
  };
}
