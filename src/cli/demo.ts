/** `remit demo`: a short tour of decisions on the sample company, by engines of its own, printed as a table. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { buildApp } from '../http/app.js';
import { loadConfig } from '../config/config.js';
import { instantFormat } from '../runtime/instant-format.js';
import { MAX_RECORD_DEPTH, parseStrictJson } from '../runtime/strict-json.js';
import { loadYaml } from '../config/yaml.js';
import { ConfigError } from '../model/faults.js';
import { openService } from '../service/service.js';
import { obtainApproval, type TourCall } from './tour-approval.js';
import { defineCommand } from './command/define-command.js';
import { evidenceText, obligationText, type DecisionAnswer } from './print/decision.js';
import { printJson } from './print/terminal.js';

const tourSchema = z.strictObject({
  stops: z.array(
    z.strictObject({
      /** The time of the request, UTC. */
      at: instantFormat,
      user: z.string(),
      agent: z.string(),
      chain: z.array(z.string()).default([]),
      scope: z.string(),
      action: z.string(),
      resource: z.string(),
      properties: z.record(z.string(), z.unknown()).optional(),
      note: z.string(),
      /** The person who then approves it, and what is to be said of the same question with that approval. */
      approval: z.strictObject({ by: z.string(), note: z.string() }).optional(),
    }),
  ),
});
type TourStop = z.infer<typeof tourSchema>['stops'][number];

interface DemoRow {
  readonly who: string;
  readonly what: string;
  readonly decision: boolean;
  readonly why: string;
  readonly note: string;
}

export const demoCommand = defineCommand({
  name: 'demo',
  description: `
    Opens the engines with the sample company in a temporary directory, makes the decisions of fixtures/acme.demo.yaml at
    the times that it names, and prints which agent asked for which user, the request, the answer and what decided it.`,
  options: { json: { description: 'prints [{"who", "what", "decision", "why", "note"}]' } },
  run: async ({ options }) => {
    const data = mkdtempSync(join(tmpdir(), 'remit-demo-'));
    try {
      const rows = await runTour(data);
      if (options.json) printJson(rows);
      else process.stdout.write(demoTable(rows));
      return 0;
    } finally {
      rmSync(data, { recursive: true, force: true });
    }
  },
});

/** @throws ConfigError where a stop is answered other than 200 */
async function runTour(data: string): Promise<DemoRow[]> {
  const { stops } = loadYaml(fixturePath('acme.demo.yaml'), tourSchema, 'tour');
  let now = new Date();
  const service = await openService(loadConfig(fixturePath('acme.remit.yaml'), { REMIT_DATA: data }), {
    now: () => now,
  });
  try {
    const app = await buildApp(service);
    const rows: DemoRow[] = [];
    for (const stop of stops) {
      now = new Date(stop.at);
      const [type = '', id = ''] = stop.resource.split(':');
      const { user, agent, chain, scope, approval } = stop;
      const token = await service.devIssuer?.mint({ user, agent, chain, scope, ttlSeconds: 300, now });
      const call: TourCall = async (method, url, body, credential = service.devKey ?? '') => {
        const headers = { host: `127.0.0.1:${service.config.port}`, authorization: `Bearer ${credential}` };
        const response = await app.inject({ method, url, headers, ...(body === undefined ? {} : { payload: body }) });
        if (response.statusCode >= 300)
          throw new ConfigError(`"${stop.note}" was answered ${response.statusCode}: ${response.body}`, 'demo');
        return parseStrictJson(response.payload, MAX_RECORD_DEPTH);
      };
      const question = {
        subject: { type: service.activePolicies.rules.vocabulary.userObject, id: user },
        action: { name: stop.action, ...(stop.properties === undefined ? {} : { properties: stop.properties }) },
        resource: { type, id },
      };
      const ask = async (more: object = {}): Promise<DecisionAnswer> =>
        (await call('POST', '/access/v1/evaluation', { ...question, context: { token, ...more } })) as DecisionAnswer;
      const answer = await ask();
      rows.push(demoRow(stop, answer));
      if (approval === undefined) continue;
      const approver = await service.devIssuer?.mint({ user: approval.by, ttlSeconds: 300, now });
      const approved = await obtainApproval(call, question, answer.context, approver ?? '');
      rows.push(demoRow({ ...stop, note: approval.note }, await ask({ approval: approved })));
    }
    await app.close();
    return rows;
  } finally {
    await service.close();
  }
}

function fixturePath(name: string): string {
  return fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));
}

function demoRow(stop: TourStop, { decision, context = {} }: DecisionAnswer): DemoRow {
  const calledBy = stop.chain.length === 0 ? '' : ` (called by ${stop.chain.join(', ')})`;
  const relationship = context.rationale?.steps.find(({ step }) => step === 'relationship')?.evidence ?? {};
  const grounds = [evidenceText({ path: relationship['path'] }), ...(context.obligations ?? []).map(obligationText)];
  const reasons = (context.reasons ?? []).map(
    ({ code, policies }) => `${code}${policies === undefined ? '' : ` (${policies.join(', ')})`}`,
  );
  return {
    who: `${stop.agent} for ${stop.user}${calledBy}`,
    what: `${stop.action} ${stop.resource}`,
    decision,
    why: (decision ? grounds : reasons).join('; '),
    note: stop.note,
  };
}

function demoTable(rows: readonly DemoRow[]): string {
  const header = { who: 'WHO, FOR WHOM', what: 'WHAT', answer: 'ANSWER', why: 'WHAT DECIDED IT' };
  const cells = rows.map((row) => ({ ...row, answer: row.decision ? 'allow' : 'deny' }));
  const width = (column: 'who' | 'what' | 'answer'): number =>
    Math.max(header[column].length, ...cells.map((cell) => cell[column].length));
  const line = (cell: typeof header): string =>
    `${cell.who.padEnd(width('who'))}  ${cell.what.padEnd(width('what'))}  ${cell.answer.padEnd(width('answer'))}  ${cell.why}`;
  return [line(header), ...cells.flatMap((cell) => [line(cell), `  ${cell.note}`])].join('\n') + '\n';
}
