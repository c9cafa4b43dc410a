/** A number of policies, the sample's among them, of which about ten come before a question whatever the number. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ACTIONS } from './actions.mjs';

/** Six forbids for agents on each action. Only the first ever applies: the others are read and found not to. */
const CONDITIONS = {
  employee: (n) => [
    'resource.status == "sealed"',
    `resource.status == "hold-${n}" && principal.kind == "assistant"`,
    `resource has department && resource.department == "closed-${n}"`,
    `resource has location && resource.location == "site-${n}" && principal.kind != "payroll-exporter"`,
    `principal has vendor && principal.vendor == "vendor-${n}"`,
    `context.delegation.depth > ${n + 3}`,
  ],
  repository: (n) => [
    'resource.visibility == "sealed"',
    `resource.visibility == "hold-${n}" && principal.kind == "coder"`,
    `resource has language && resource.language == "language-${n}"`,
    `resource.protected_branches.contains("frozen-${n}")`,
    `principal has vendor && principal.vendor == "vendor-${n}"`,
    `context.delegation.depth > ${n + 3}`,
  ],
};

/**
 * Writes those of the directory `sample` into `directory`, and others beside them until there are `count`: at least
 * those that the questions' answers go by.
 * @param relevant how many more than six there are for agents on each action
 */
export function writePolicies(directory, { sample, count, relevant = 0 }) {
  mkdirSync(directory, { recursive: true });
  cpSync(sample, directory, { recursive: true });
  writeFileSync(join(directory, 'generated.cedar'), generated(count - countPolicies(directory), relevant));
}

/** Agents' policies on every action, and people's to make up the number: a slice for agents must leave those out. */
function generated(count, relevant) {
  const texts = [];
  const conditions = ACTIONS.map((action, n) => [
    ...CONDITIONS[action.type](n),
    ...Array.from({ length: relevant }, (_, k) => holding(action, `more-${k}`)),
  ]);
  // The first of each action's is what the questions' answers go by.
  for (let k = 0; k < 6 + relevant && (k === 0 || texts.length < count); k += 1)
    for (const [n, action] of ACTIONS.entries())
      texts.push(forbid(`bench-agents-${action.type}-${action.name}-${k}`, 'principal is Agent', action, conditions[n][k])); // prettier-ignore
  for (let n = 0; texts.length < count; n += 1) {
    const action = ACTIONS[n % ACTIONS.length];
    texts.push(forbid(`bench-people-${n}`, 'principal is User', action, holding(action, n)));
  }
  return texts.join('\n');
}

function holding({ type }, n) {
  return `resource.${type === 'employee' ? 'status' : 'visibility'} == "hold-${n}"`;
}

function forbid(id, principal, action, when) {
  return `@id("${id}")\nforbid (${principal}, action == ${action.uid}, resource is ${action.resource})\nwhen { ${when} };\n`;
}

function countPolicies(directory) {
  const texts = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((f) => f.endsWith('.cedar'))
    .map((f) => readFileSync(join(directory, f), 'utf8'));
  return texts.join('\n').match(/^@id\(/gm)?.length ?? 0;
}
