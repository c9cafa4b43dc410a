/** What the pages of docs/operate, the alerts and the dashboard name is there: in the metrics of a running service, and in the docs. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/config.js';
import { FAULTS } from '../../src/model/faults.js';
import { REASONS } from '../../src/model/reasons.js';
import { start, type Running } from '../support/sample.js';
import { samples, type Sample } from '../support/prometheus-text.js';

// On a machine that is busy, engines take their time to start, and a decision takes what it takes.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 300_000 });

const docs = join(fileURLToPath(new URL('../..', import.meta.url)), 'docs');
const pages = readdirSync(join(docs, 'operate')).filter((name) => name.endsWith('.md'));
const operations = pages.map((name) => readFileSync(join(docs, 'operate', name), 'utf8')).join('\n');
const monitoring = readFileSync(join(docs, 'operate/monitoring.md'), 'utf8');

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}
const rules = (
  parse(readFileSync(join(docs, 'operate/alerts.yaml'), 'utf8')) as { groups: { rules: Rule[] }[] }
).groups.flatMap((group) => group.rules);

interface Panel {
  readonly type: string;
  readonly targets?: readonly { readonly expr: string }[];
}
const dashboard = JSON.parse(readFileSync(join(docs, 'operate/grafana-dashboard.json'), 'utf8')) as {
  readonly panels: readonly Panel[];
  readonly templating: object;
};
const expressions = [
  ...rules.map((rule) => rule.expr),
  ...dashboard.panels.flatMap((panel) => (panel.targets ?? []).map(({ expr }) => expr)),
];

/** Metrics that are named anywhere in a text; one with an ellipsis is the beginning of many. */
function metricsIn(text: string): string[] {
  return [...new Set([...text.matchAll(/\b(?:remit|process|nodejs)_[a-z0-9_]+\b(?!\.)/g)].map(([name]) => name))];
}

let exported: readonly Sample[];
/** Metrics by their declarations: those of receivers have no values where none are configured. */
let declared: readonly string[];
let remit: Running;
beforeAll(async () => {
  remit = await start();
  const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read' });
  const ask = (id: string) =>
    remit.post('/access/v1/evaluation', {
      subject: { type: 'user', id: 'alice' },
      action: { name: 'read' },
      resource: { type: 'employee', id },
      context: { token },
    });
  await ask('erin');
  await ask('zoe');
  await remit.crashSpiceDb();
  await ask('dave');
  const { body } = await remit.request('GET', '/metrics');
  exported = samples(body);
  declared = [...body.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name);
  return () => remit.stop();
});

describe('every metric that is named is exported', () => {
  const names = (): Set<string> =>
    new Set([...declared, ...exported.flatMap(({ name }) => [name, name.replace(/_(bucket|sum|count)$/, '')])]);
  it.each([
    ['the alerts', rules.map((rule) => rule.expr).join('\n')],
    ['the dashboard', JSON.stringify(dashboard)],
    ['docs/operate', operations],
  ])('in %s', (_where, text) => {
    const named = metricsIn(text);
    expect(named.length).toBeGreaterThan(5);
    const known = names();
    for (const name of named) expect([name, known.has(name)]).toEqual([name, true]);
  });

  it('and the other way round: each of ours is documented', () => {
    const ours = new Set(exported.map(({ name }) => name.replace(/_(bucket|sum|count)$/, '')));
    for (const name of ours) if (name.startsWith('remit_')) expect(monitoring).toContain(`\`${name}\``);
  });
});

it('every label that is asked for is one that the metric has', () => {
  const labelsOf = new Map<string, Set<string>>();
  for (const { name, labels } of exported)
    labelsOf.set(name, new Set([...(labelsOf.get(name) ?? []), ...Object.keys(labels)]));
  let checked = 0;
  for (const expr of expressions) {
    for (const [, name = '', within = ''] of expr.matchAll(/((?:remit|process|nodejs)_[a-z0-9_]+)\s*\{([^}]*)\}/g))
      for (const [, label = ''] of within.matchAll(/([a-z_]+)\s*(?:=~|!=|=)/g)) {
        checked += 1;
        expect([name, label, labelsOf.get(name)?.has(label) ?? false]).toEqual([name, label, !/^(job|instance)$/.test(label)]);
      }
  }
  expect(checked).toBeGreaterThan(40);
}); // prettier-ignore

it('every reason that is looked for is one', () => {
  const codes = new Set([...Object.keys(REASONS), ...Object.keys(FAULTS)]);
  const looked = expressions.flatMap((expr) => [...expr.matchAll(/reason=~"([^"]+)"/g)]).flatMap(([, list = '']) => list.split('|'));
  expect(looked.length).toBeGreaterThan(4);
  for (const code of looked) expect(codes).toContain(code);
}); // prettier-ignore

it('every alert has a severity, a sentence and a runbook, and every runbook an alert', () => {
  const text = readFileSync(join(docs, 'operate/runbooks.md'), 'utf8');
  const runbooks = [...text.matchAll(/^## (\w+)$/gm)].map(([, name]) => name);
  expect(rules.map(({ alert }) => alert)).toEqual(runbooks);
  for (const { alert, labels, annotations } of rules) {
    expect(['page', 'ticket']).toContain(labels['severity']);
    expect(annotations['summary']).toMatch(/\.$/);
    expect(annotations['runbook_url']).toBe(`docs/operate/runbooks.md#${alert.toLowerCase()}`);
  }
});

it('the dashboard has no panel that asks nothing', () => {
  const asking = dashboard.panels.filter((panel) => panel.type !== 'row');
  expect(asking.length).toBeGreaterThan(10);
  for (const panel of asking) expect(panel.targets?.every(({ expr }) => expr !== '')).toBe(true);
});

describe('configuration', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'remit-operations-'));
    return () => {
      rmSync(directory, { recursive: true, force: true });
    };
  });
  const of = (more: string) => {
    const file = join(directory, 'remit.yaml');
    writeFileSync(file, `schema: { relationships: a.zed, actions: a.cedarschema }\npolicies: p\n${more}\n`);
    return loadConfig(file, {});
  };

  it('is read as docs/operate/monitoring.md shows it', () => {
    const [clients = '', , traces = ''] = [...monitoring.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map((m) => m[1] ?? '');
    const read = of(`${clients}${traces}`);
    expect([...(read.clients[0]?.may ?? [])]).toEqual(['metrics']);
    expect(read.traces).toEqual({ endpoint: 'http://collector.internal:4318/v1/traces', sample: 0.01, followCallers: false });
  }); // prettier-ignore

  it('is off, and quiet, by default', () => {
    expect(of('')).toMatchObject({ traces: undefined, logs: { format: 'auto' } });
  });

  it.each([
    ['telemetry: { trace: {} }', 'telemetry.trace: unknown key'],
    ['telemetry: { traces: {} }', 'telemetry.traces.endpoint'],
    ['telemetry: { traces: { endpoint: collector } }', 'telemetry.traces.endpoint'],
    ['listen: { public_url: here }', 'listen.public_url'],
    ['telemetry: { traces: { endpoint: "ftp://collector" } }', 'telemetry.traces.endpoint'],
    ['telemetry: { traces: { endpoint: "http://me:s3cr3t@collector" } }', 'must have no password'],
    ['telemetry: { traces: { endpoint: "http://c", sample: 2 } }', 'telemetry.traces.sample'],
    ['telemetry: { traces: { endpoint: "http://c", sample: 1 %} }', 'configuration'],
    ['telemetry: { traces: { endpoint: "http://c", follow_callers: sometimes } }', 'telemetry.traces.follow_callers'],
    ['reload: { policies: sometimes }', 'reload.policies: must be "watch", "signal" or "off"'],
    ['reload: { poll_ms: 10 }', 'reload.poll_ms'],
    ['reload: { every: 10 }', 'reload.every: unknown key'],
    ['records: { facts: some }', 'records.facts'],
    ['logs: { format: xml }', 'logs.format: must be "auto", "json" or "text"'],
    ['logs: { level: loud }', 'logs.level: must be "debug", "info", "warn" or "error"'],
    ['logs: { file: x }', 'logs.file: unknown key'],
  ])('%s is refused, naming the place and no password', (text, why) => {
    let message = '';
    try {
      of(text);
    } catch (error) {
      ({ message } = error as Error);
    }
    expect(message).toContain(why === 'configuration' ? 'remit.yaml' : why);
    expect(message).not.toContain('s3cr3t');
  });
});
