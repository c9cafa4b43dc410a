/**
 * How long `remit test` takes for many policies and many cases: `npm run -s build && node test/bench/tests.mjs
 * [policies] [cases]`, 1,000 and 10,000 by default. It writes a company of its own and runs the built command.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [policies = 1000, cases = 10_000] = process.argv.slice(2).map(Number);
const TYPES = 20;
const PER_TEST = 50;
const directory = mkdtempSync(join(tmpdir(), 'remit-bench-tests-'));
const write = (name, text) => writeFileSync(join(directory, name), text);
const each = (n, of) => Array.from({ length: n }, (_, i) => of(i));

mkdirSync(join(directory, 'policies'));
write(
  'remit.yaml',
  'schema: { relationships: schema.zed, actions: actions.cedarschema }\npolicies: policies\nworld: world.yaml\n',
);
write(
  'schema.zed',
  `definition user {}
definition agent {
  relation delegator: user
}
${each(TYPES, (t) => `definition thing${t} {\n  relation viewer: user\n  permission view = viewer\n}`).join('\n')}
`,
);
write(
  'actions.cedarschema',
  `entity User;
entity Agent { name: String };
${each(
  TYPES,
  (t) => `namespace N${t} {
  @object("thing${t}")
  entity Thing { level: Long };
  @permission("view")
  @scope("read${t}")
  action "read" appliesTo { principal: [Agent, User], resource: [Thing], context: { delegation: Remit::Delegation } };
}`,
).join('\n')}
`,
);
// A permit for each type; the others forbid one level each.
write(
  'policies/all.cedar',
  each(policies, (p) => {
    const t = p % TYPES;
    const when = p < TYPES ? '' : `\nwhen { resource.level == ${p} && context.delegation.depth > 0 }`;
    return `@id("p${p}")\n${p < TYPES ? 'permit' : 'forbid'} (principal is Agent, action == N${t}::Action::"read", resource)${when};`;
  }).join('\n'),
);
const resources = each(PER_TEST * TYPES, (i) => ({ type: `thing${i % TYPES}`, id: `r${i}` }));
write(
  'world.yaml',
  `relationships: |
${resources.map(({ type, id }) => `  ${type}:${id}#viewer@user:ann`).join('\n')}
  agent:bot#delegator@user:ann
entities:
  - { type: agent, id: bot, attributes: { name: Bot } }
${resources.map(({ type, id }) => `  - { type: ${type}, id: ${id}, attributes: { level: 0 } }`).join('\n')}
`,
);
// Every twentieth test changes something, and has a clock of its own.
const tests = each(Math.ceil(cases / PER_TEST), (i) => {
  const own = resources.filter(({ type }) => type === `thing${i % TYPES}`);
  const changed = i % 20 === 0 ? `\n    entities: [{ type: agent, id: bot, attributes: { name: Bot ${i} } }]` : '';
  return `  - name: test ${i}${changed}
    who: bot
    actions: read
    resources: [${own.map(({ type, id }) => `${type}:${id}`).join(', ')}]
    expect: allow`;
});
write(
  'policies/all_test.yaml',
  `now: 2030-01-01T00:00:00Z\ntokens: { bot: { user: ann, agent: bot, scope: ${each(TYPES, (t) => `read${t}`).join(' ')} } }\ntests:\n${tests.join('\n')}\n`,
);

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const begun = performance.now();
const { status, stdout, stderr } = spawnSync(
  process.execPath,
  [main, 'test', '--config', join(directory, 'remit.yaml'), '--json'],
  { maxBuffer: 1 << 30 },
);
const seconds = (performance.now() - begun) / 1000;
rmSync(directory, { recursive: true, force: true });
if (status !== 0) {
  process.stderr.write(`${stderr}${stdout}`.slice(0, 2000));
  process.exitCode = 1;
} else {
  const { summary } = JSON.parse(stdout);
  console.log(`${policies} policies, ${summary.cases} cases: ${seconds.toFixed(1)} s (exit ${status})`);
}
