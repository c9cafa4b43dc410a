/** The rules with a policy changed or one more: what remains where nothing milder helps. */
import { loadRules, type RuleSources, type Rules } from '../../policy/load.js';
import { ConfigError } from '../../model/faults.js';
import type { Policy } from '../../policy/policies.js';
import { findScopeEnd, splitPolicies } from '../../policy/policy-text.js';
import type { EntityRef } from '../../model/ids.js';
import { formatUid, type EntityUid } from '../../policy/schema/uid.js';
import type { ProposedChange } from './change.js';

type PolicyChange = Extract<ProposedChange, { kind: 'policy' }>;

/** Whom and what a change is about: no more than the one question. */
export interface QuestionScope {
  readonly principal: EntityUid;
  readonly action: EntityUid;
  readonly resource: EntityUid;
}

/** Loading takes long: sets of rules that are tried at most. */
const MAX_LOADS = 50;

export class PolicyVariants {
  private readonly loaded = new Map<string, Rules | undefined>();

  constructor(
    private readonly currentRules: Rules,
    private readonly sources: RuleSources,
  ) {}

  /** Undefined where the rules would no longer load. */
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
      return loadRules({ ...this.sources, policies: [...policies, ...added] });
    } catch (error) {
      if (error instanceof ConfigError) return undefined;
      throw error;
    }
  }
}

/** The policy with this one question excepted. It is asked first, so that a condition that fails isn't. */
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

/** A permit of this one question. @param name of whom it is for, as people read it */
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
