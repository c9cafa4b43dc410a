/** What docs/guide/explain.md shows is what is printed. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { explanationText } from '../../src/cli/print/explanation.js';
import { whyNotText } from '../../src/cli/print/why-not.js';
import { readSources } from '../../src/config/files.js';
import { explainRecord } from '../../src/records/explain/explain.js';
import { explainDenial } from '../../src/author/why-not/why-not.js';
import { start, type Running } from '../support/sample.js';
import { decided } from '../records/explain/sample-decisions.js';

const docs = readFileSync(fileURLToPath(new URL('../../docs/guide/explain.md', import.meta.url)), 'utf8');
let remit: Running;
beforeAll(async () => {
  remit = await start();
  return () => remit.stop();
});

it('docs/guide/explain.md shows a story as it is told, and what would lift the deny', async () => {
  remit.at(new Date('2030-03-04T02:00:00Z'));
  const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.write' });
  const record = await decided(remit, {
    subject: { type: 'user', id: 'alice' },
    action: { name: 'update' },
    resource: { type: 'employee', id: 'erin' },
    context: { token },
  });
  const rules = remit.service.activePolicies.rules;
  const sources = readSources(remit.service.config.sources);
  const told =
    explanationText(explainRecord(record, rules)) +
    whyNotText(await explainDenial(record, { rules, sources, world: undefined }));
  const [shown = ''] = [...docs.matchAll(/^```text\n([\s\S]*?)^```/gm)].map((match) => match[1]);
  // Ids are never the same twice.
  const plain = told
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '0199…')
    .replace(rules.version.slice(0, 12), '5c6d…');
  if (shown !== plain) console.log(plain);
  expect(plain).toBe(shown);
});
