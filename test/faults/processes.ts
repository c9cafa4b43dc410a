/** Remit as it is run: processes of the built program, and who asks them through something that balances load. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { SAMPLE, type Answer } from '../support/sample.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Remit {
  readonly url: string;
  readonly child: ChildProcess;
  /** Warnings and worse. */
  readonly log: () => string;
  /** From the start of the process until it listened. */
  readonly startMs: number;
  /** @returns its exit code, and how long it took */
  readonly end: (signal: NodeJS.Signals) => Promise<{ readonly code: number | null; readonly ms: number }>;
}

/** Resolves when it listens. */
export async function serve(
  config: string,
  { data, node = [] }: { readonly data: string; readonly node?: readonly string[] },
): Promise<Remit> {
  const began = performance.now();
  const child = spawn(process.execPath, [...node, join(root, 'dist/main.js'), 'serve', '--json', '--config', config], {
    cwd: root,
    env: { ...process.env, REMIT_DATA: data },
  });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (chunk: Buffer) => resolve((JSON.parse(chunk.toString()) as { url: string }).url));
    void exited.then(() => reject(new Error(log)));
  });
  return {
    url,
    child,
    log: () => warnings(log),
    startMs: performance.now() - began,
    end: async (signal) => {
      const from = performance.now();
      child.kill(signal);
      return { code: await exited, ms: performance.now() - from };
    },
  };
}

/** Writes a configuration of the sample's schemas and policies, for processes that some client leads. */
export function writeSampleConfig(file: string, clients: readonly object[]): void {
  const sample = parse(readFileSync(SAMPLE, 'utf8')) as { schema: Record<string, string>; policies: string };
  const at = (path = ''): string => join(SAMPLE, '..', path);
  writeFileSync(
    file,
    stringify({
      listen: { port: 0 },
      schema: { relationships: at(sample.schema['relationships']), actions: at(sample.schema['actions']) },
      policies: at(sample.policies),
      reload: { policies: 'off', tests: 'skipped' },
      clients,
    }),
  );
}

export interface Response {
  readonly status: number;
  readonly body: Answer;
}

/**
 * A client that keeps connections alive and tries again only what a server can't have begun: where a connection that
 * was used before turns out to be closed.
 */
export class Caller {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 50 });

  constructor(private readonly key: string) {}

  async call(method: 'GET' | 'POST', url: string, body?: object): Promise<Response> {
    for (;;) {
      try {
        return await this.once(method, url, body);
      } catch (error) {
        const { code, reused } = error as { code?: string; reused?: boolean };
        if (reused !== true || (code !== 'ECONNRESET' && code !== 'EPIPE')) throw error;
      }
    }
  }

  close(): void {
    this.agent.destroy();
  }

  private once(method: string, url: string, body: object | undefined): Promise<Response> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const sent = request(url, {
        method,
        agent: this.agent,
        headers: {
          authorization: `Bearer ${this.key}`,
          ...(text === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        },
      });
      const fail = (error: Error): void => {
        reject(Object.assign(error, { reused: sent.reusedSocket }));
      };
      sent.on('error', fail);
      sent.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const read = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(read === '' ? '{}' : read) as Answer });
        });
      });
      sent.end(text);
    });
  }
}

/** What stands before replicas: it asks each whether it is ready, and sends only to those that say so. */
export class Balancer {
  private readonly ready = new Set<string>();
  private readonly asking = new Map<string, AbortController>();
  private turn = 0;

  add(url: string): void {
    const asked = new AbortController();
    this.asking.set(url, asked);
    void this.watch(url, asked.signal);
  }

  remove(url: string): void {
    this.asking.get(url)?.abort();
    this.asking.delete(url);
    this.ready.delete(url);
  }

  isReady(url: string): boolean {
    return this.ready.has(url);
  }

  /** One of those that are ready, in turn; undefined while none is. */
  next(): string | undefined {
    const all = [...this.ready];
    this.turn += 1;
    return all[this.turn % all.length];
  }

  close(): void {
    for (const url of this.asking.keys()) this.remove(url);
  }

  private async watch(url: string, ended: AbortSignal): Promise<void> {
    for (;;) {
      const is = await fetch(`${url}/health/ready`, { signal: ended, headers: { connection: 'close' } }).then(
        (response) => response.status === 200,
        () => false,
      );
      if (ended.aborted) return;
      if (is) this.ready.add(url);
      else this.ready.delete(url);
      await sleep(50);
    }
  }
}

/** Of a log, without what only says what goes on, and what was answered. */
export function warnings(log: string): string {
  return log.split('\n').filter((line) => line !== '' && !/"level":"info"|"event":"request"/.test(line)).join('\n'); // prettier-ignore
}
