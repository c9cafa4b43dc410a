/** Loads the rules with a policy changed or added, to see what they would decide. */
import { isDeepStrictEqual } from 'node:util';
import { loadRules, type RuleSources, type Rules } from '../../policy/load.js';
import { ConfigError } from '../../model/faults.js';
import type { Policy } from '../../policy/policies.js';
import { findScopeEnd, splitPolicies } from '../../policy/policy-text.js';
import type { EntityRef } from '../../model/ids.js';
import { formatUid, type EntityUid } from '../../policy/schema/uid.js';
import type { ProposedChange } from './change.js';

type PolicyChange = Extract<ProposedChange, { kind: 'policy' }>;

/** The one question that a change of policies is restricted to. */
export interface QuestionScope {
  readonly principal: EntityUid;
  readonly action: EntityUid;
  readonly resource: EntityUid;
}

/** Variants that are loaded at most, since loading one takes long. */
const MAX_LOADS = 50;

export class PolicyVariants {
  private readonly loaded = new Map<string, Rules | undefined>();

  constructor(
    private readonly currentRules: Rules,
    private readonly sources: RuleSources,
  ) {}

  /** @returns undefined where the changed rules can't be loaded, or too many variants have been */
  rulesWith(changes: readonly ProposedChange[]): Rules | undefined {
    const edits = changes.filter((change): change is PolicyChange => change.kind === 'policy');
    if (edits.length === 0) return this.currentRules;
    const key = JSON.stringify(edits);
    if (!this.loaded.has(key) && this.loaded.size < MAX_LOADS) this.loaded.set(key, this.loadVariant(edits));
    return this.loaded.get(key);
  }

  private loadVariant(edits: readonly PolicyChange[]): Rules | undefined {
    const texts = new Map(
      edits.flatMap((edit) =>
        'id' in edit ? [[this.currentRules.policies.get(edit.id)?.text, edit.text] as const] : [],
      ),
    );
    const policies = this.sources.policies.map((file) => {
      const parts = splitPolicies(file);
      const ends = [...parts.slice(1).map(({ index }) => index), file.text.length];
      const text = parts.map((part, i) => {
        const between = file.text.slice(part.index + part.text.length, ends[i]);
        return (texts.get(part.text) ?? part.text) + between;
      });
      return { ...file, text: file.text.slice(0, parts[0]?.index ?? 0) + text.join('') };
    });
    const added = edits.flatMap((edit, i) => ('add' in edit ? [{ name: `added-${i}.cedar`, text: edit.add }] : []));
    try {
      const rules = loadRules({ ...this.sources, policies: [...policies, ...added] });
      return edits.every((edit) => !('id' in edit) || this.addsOnlyClause(rules, edit.id)) ? rules : undefined;
    } catch (error) {
      if (error instanceof ConfigError) return undefined;
      throw error;
    }
  }

  /** Whether Cedar reads the changed policy as the original with a clause before the others: the text was changed, not it. */
  private addsOnlyClause({ policies }: Rules, id: string): boolean {
    const [before, after] = [this.currentRules.policies.get(id)?.json, policies.get(id)?.json];
    return after !== undefined && isDeepStrictEqual({ ...after, conditions: after.conditions.slice(1) }, before);
  }
}

/** Excepts one question from a policy. The clause comes first, so that a condition that fails isn't evaluated. */
export function exceptQuestion(
  policy: Policy,
  { principal, action, resource }: QuestionScope,
): PolicyChange | undefined {
  const scopeEnd = findScopeEnd(policy.text);
  if (scopeEnd === undefined) return undefined;
  const condition = [
    `principal == ${formatUid(principal)}`,
    `action == ${formatUid(action)}`,
    `resource == ${formatUid(resource)}`,
  ].join(' && ');
  const clause = `unless { ${condition} }`;
  const text = `${policy.text.slice(0, scopeEnd)}\n${clause}${policy.text.slice(scopeEnd)}`;
  return { kind: 'policy', id: policy.id, source: policy.source, clause, text };
}

/** Permits one question. @param name the principal as people know it, for the policy's id */
export function permitQuestion(
  { principal, action, resource }: QuestionScope,
  name: EntityRef,
  existingIds: ReadonlySet<string>,
): PolicyChange {
  let id = `permit-${action.id}-for-${name.id}`.replace(/[^A-Za-z0-9-]/g, '-').slice(0, 80);
  while (existingIds.has(id)) id += '-again';
  const scope = `principal == ${formatUid(principal)}, action == ${formatUid(action)}, resource == ${formatUid(resource)}`;
  return { kind: 'policy', add: `@id("${id}") permit (${scope});` };
}
