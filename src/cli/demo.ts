/** `remit demo`: a short tour of decisions on the sample company, on engines of its own, printed as a table. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildApp } from '../http/app.js';
import { loadConfig } from '../config/config.js';
import { loadYaml } from '../config/yaml.js';
import { ConfigError } from '../model/faults.js';
import { openService } from '../service/service.js';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { readOptions, UsageError, type Command } from './command.js';
import { evidenceText, type DecisionAnswer } from './print/decision.js';

const HELP = `
Usage: remit demo [--json]

Opens the engines with the sample company in a temporary directory, makes the decisions of fixtures/acme.demo.yaml at
the hours written there, and prints who asked for whom, what, the answer and what decided it.
`;

const tourSchema = z.strictObject({
  stops: z.array(
    z.strictObject({
      /** The hour at which it is asked, UTC. */
      at: z.iso.datetime(),
      user: z.string(),
      agent: z.string(),
      chain: z.array(z.string()).default([]),
      scope: z.string(),
      action: z.string(),
      resource: z.string(),
      properties: z.record(z.string(), z.unknown()).optional(),
      note: z.string(),
    }),
  ),
});

interface DemoRow {
  readonly who: string;
  readonly what: string;
  readonly decision: boolean;
  readonly why: string;
  readonly note: string;
}

export const demoCommand: Command = {
  help: HELP,
  run: async (args) => {
    const { values, positionals } = readOptions(args, { json: { type: 'boolean', default: false } });
    if (positionals.length > 0)
      throw new UsageError(`"${positionals[0] ?? ''}" is not understood; see remit demo --help`);
    const data = mkdtempSync(join(tmpdir(), 'remit-demo-'));
    try {
      const rows = await runTour(data);
      process.stdout.write(values.json ? `${JSON.stringify(rows, undefined, 2)}\n` : demoTable(rows));
      return 0;
    } finally {
      rmSync(data, { recursive: true, force: true });
    }
  },
};

async function runTour(data: string): Promise<DemoRow[]> {
  const { stops } = loadYaml(
    fileURLToPath(new URL('../../fixtures/acme.demo.yaml', import.meta.url)),
    tourSchema,
    'tour',
  );
  const sample = fileURLToPath(new URL('../../fixtures/acme.remit.yaml', import.meta.url));
  let now = new Date();
  const service = await openService(loadConfig(sample, { REMIT_DATA: data }), { now: () => now });
  try {
    const app = await buildApp(service);
    const rows: DemoRow[] = [];
    for (const stop of stops) {
      now = new Date(stop.at);
      const [type = '', id = ''] = stop.resource.split(':');
      const { user, agent, chain, scope } = stop;
      const token = await service.devIssuer?.mint({ user, agent, chain, scope, ttlSeconds: 300, now });
      const response = await app.inject({
        method: 'POST',
        url: '/access/v1/evaluation',
        headers: { host: `127.0.0.1:${service.config.port}`, authorization: `Bearer ${service.devKey ?? ''}` },
        payload: {
          subject: { type: service.activePolicies.rules.vocabulary.userObject, id: user },
          action: { name: stop.action, ...(stop.properties === undefined ? {} : { properties: stop.properties }) },
          resource: { type, id },
          context: { token },
        },
      });
      if (response.statusCode !== 200)
        throw new ConfigError(`"${stop.note}" was answered ${response.statusCode}: ${response.body}`, 'demo');
      rows.push(demoRow(stop, response.json()));
    }
    await app.close();
    return rows;
  } finally {
    await service.close();
  }
}

function demoRow(
  stop: z.infer<typeof tourSchema>['stops'][number],
  { decision, context = {} }: DecisionAnswer,
): DemoRow {
  const calledBy = stop.chain.length === 0 ? '' : ` (called by ${stop.chain.join(', ')})`;
  const relationship = context.rationale?.steps.find((s) => s.step === 'relationship')?.evidence ?? {};
  const obligations = (context.obligations ?? []).map(
    (o) => `${o.type} ${Object.values(o.properties).flat().join(', ')}`,
  );
  const path = { path: relationship['path'] };
  const why = decision
    ? [evidenceText(path), ...obligations].join('; ')
    : (context.reasons ?? [])
        .map((r) => `${r.code}${r.policies === undefined ? '' : ` (${r.policies.join(', ')})`}`)
        .join('; ');
  return {
    who: `${stop.agent} for ${stop.user}${calledBy}`,
    what: `${stop.action} ${stop.resource}`,
    decision,
    why,
    note: stop.note,
  };
}

function demoTable(rows: readonly DemoRow[]): string {
  const header = { who: 'WHO, FOR WHOM', what: 'WHAT', answer: 'ANSWER', why: 'WHAT DECIDED IT' };
  const cells = rows.map((r) => ({ ...r, answer: r.decision ? 'allow' : 'deny' }));
  const width = (key: 'who' | 'what' | 'answer'): number =>
    Math.max(header[key].length, ...cells.map((c) => c[key].length));
  const line = (c: { who: string; what: string; answer: string; why: string }): string =>
    `${c.who.padEnd(width('who'))}  ${c.what.padEnd(width('what'))}  ${c.answer.padEnd(width('answer'))}  ${c.why}`;
  return [line(header), ...cells.flatMap((c) => [line(c), `  ${c.note}`])].join('\n') + '\n';
}
