/** Reads `@limit` and `@amount` of an action: the bounds on its use, and where a question states the amount. */
import type { FindingCollector } from '../../diagnostics/diagnostics.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
import type { Action } from './action.js';
import type { LocatePart } from './declarations.js';
import { readLimitText } from './limits.js';
import type { CedarType, RecordMembers } from './types.js';

/** The members of the context whose statements can be an amount: what is asked for, and the request's own. */
const STATED_MEMBERS = ['action', 'request'];
const AMOUNT_TEXT = /^context(?:\.[A-Za-z_][A-Za-z0-9_]*)+$/;
const CURE = 'declare it as Remit::Amount';

export function readActionLimits(
  annotations: Readonly<Record<string, string>>,
  context: RecordMembers,
  locate: LocatePart,
  findings: FindingCollector,
): Pick<Action, 'limits' | 'amount'> {
  const { limit: limitText, amount: amountText } = annotations;
  const amount = amountText === undefined ? undefined : readAmountPath(amountText, context, locate, findings);
  if (limitText === undefined) return { limits: [], amount };
  const read = readLimitText(limitText);
  if ('problem' in read) {
    findings.error('invalid-annotation', locate('@limit'), `@limit ${read.problem.message}`, read.problem.suggestion);
    return { limits: [], amount };
  }
  if (amountText === undefined && read.limits.some(({ bound }) => bound.unit !== undefined))
    findings.error(
      'invalid-annotation',
      locate('@limit'),
      '@limit bounds an amount, and nothing says which: write @amount("context.action.amount") beside it',
    );
  return { limits: read.limits, amount };
}

/** @returns undefined where it names no amount, which is reported */
function readAmountPath(
  text: string,
  context: RecordMembers,
  locate: LocatePart,
  findings: FindingCollector,
): readonly string[] | undefined {
  const report = (message: string, suggestion?: string): readonly string[] | undefined => {
    findings.error('invalid-annotation', locate('@amount'), `@amount "${text}" ${message}`, suggestion);
    return undefined;
  };
  const [, ...path] = text.split('.');
  if (!AMOUNT_TEXT.test(text) || path.length < 2 || !STATED_MEMBERS.includes(path[0] ?? ''))
    return report('must name a member of context.action or context.request, such as "context.action.amount"');
  let members: RecordMembers | undefined = context;
  let type: CedarType | undefined;
  for (const [depth, name] of path.entries()) {
    if (members === undefined || !Object.hasOwn(members, name))
      return report(
        `is not declared: the action's context has no ${['context', ...path.slice(0, depth + 1)].join('.')}; ${CURE}`,
        suggestNearest(name, Object.keys(members ?? {})),
      );
    type = members[name]?.type;
    members = type?.kind === 'Record' ? type.members : undefined;
  }
  return isAmountType(type) ? path : report(`is of another type: ${CURE}`);
}

/** Whether the type has what Remit::Amount has. */
function isAmountType(type: CedarType | undefined): boolean {
  if (type?.kind !== 'Record') return false;
  const { value, unit, decimals, ...others } = type.members;
  return (
    Object.keys(others).length === 0 &&
    value?.type.kind === 'Long' && value.required && unit?.type.kind === 'String' && unit.required &&
    (decimals === undefined || decimals.type.kind === 'Long')
  ); // prettier-ignore
}
