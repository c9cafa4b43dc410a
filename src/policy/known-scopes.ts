/** The scopes that a token may sensibly carry: those that actions need, and those that only policies read. */
import { accessPath, collectAtoms, listNodes, literalValue, type Expression } from './expressions.js';
import type { Rules } from './load.js';
import { SCOPE_TOKEN } from './schema/check-action.js';
import { listScopes } from './schema/vocabulary.js';

const SCOPES_PATH = 'context.delegation.scopes';

/** Any other scope changes no decision: where the operator writes one, it is a slip. */
export function listKnownScopes({ vocabulary, policies }: Pick<Rules, 'vocabulary' | 'policies'>): ReadonlySet<string> {
  const scopes = new Set(listScopes(vocabulary).map(({ scope }) => scope));
  for (const { json } of policies.values()) {
    for (const { expression } of collectAtoms(json)) {
      const { paths, texts } = collectPathsAndTexts(expression);
      if (!paths.has(SCOPES_PATH)) continue;
      for (const text of texts) if (SCOPE_TOKEN.test(text)) scopes.add(text);
    }
  }
  return scopes;
}

/** The paths and the literal texts anywhere in an expression. */
function collectPathsAndTexts(expression: Expression): { readonly paths: Set<string>; readonly texts: Set<string> } {
  const operands = { paths: new Set<string>(), texts: new Set<string>() };
  for (const node of listNodes(expression)) {
    if (Array.isArray(node)) continue;
    const path = accessPath(node as Expression);
    if (path !== undefined) operands.paths.add(path.join('.'));
    const literal = literalValue(node as Expression);
    if (typeof literal === 'string') operands.texts.add(literal);
  }
  return operands;
}
