/** Asking the one service of a data directory: over HTTP where it runs, in this process where it doesn't. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildApp } from '../http/app.js';
import type { Config } from '../config/config.js';
import { shown } from '../config/files.js';
import { Locked } from '../runtime/directory-lock.js';
import { ConfigError } from '../model/faults.js';
import { openService, type Opening } from '../service/service.js';
import { Usage } from './command.js';

export interface Reply {
  readonly status: number;
  readonly body: unknown;
}

export interface Asked {
  get(path: string): Promise<Reply>;
  post(path: string, body: object): Promise<Reply>;
  close(): Promise<void>;
}

/** @param key of a client; by default the development client's. @throws ConfigError */
export async function ask(config: Config, key: string | undefined, opening: Opening = {}): Promise<Asked> {
  try {
    const service = await openService(config, opening);
    const app = await buildApp(service);
    process.stderr.write(`remit: no service runs on ${shown(config.data)}, so the engines are opened here\n`);
    const credential = key ?? service.devKey;
    const send = async (method: 'GET' | 'POST', url: string, payload?: object): Promise<Reply> => {
      const headers = { host: `127.0.0.1:${config.port}`, ...authorization(needed(credential)) };
      const response = await app.inject({ method, url, headers, ...(payload === undefined ? {} : { payload }) });
      return { status: response.statusCode, body: response.json() };
    };
    return {
      get: (path) => send('GET', path),
      post: (path, body) => send('POST', path, body),
      close: async () => {
        await app.close();
        await service.close();
      },
    };
  } catch (error) {
    if (!(error instanceof Locked)) throw error;
    const { url } = error;
    if (url === undefined) throw error; // Another command, or a service that is still starting.
    process.stderr.write(`remit: asking ${url}\n`);
    const send = async (path: string, init: RequestInit): Promise<Reply> => {
      const headers = { 'content-type': 'application/json', ...authorization(needed(key ?? devKey(config))) };
      const response = await fetch(`${url}${path}`, { ...init, headers }).catch((why: unknown) => {
        throw new ConfigError(`the service does not answer: ${String((why as Error).cause ?? why)}`, url);
      });
      return { status: response.status, body: await response.json() };
    };
    return {
      get: (path) => send(path, {}),
      post: (path, body) => send(path, { method: 'POST', body: JSON.stringify(body) }),
      close: () => Promise.resolve(),
    };
  }
}

/** What the service said was wrong with what it was asked, with the place. */
export function refusal({ status, body }: Reply): Usage {
  const { error } = body as { error?: { message?: string; at?: string } };
  return new Usage(`${error?.at === undefined ? '' : `${error.at}: `}${error?.message ?? `refused (${status})`}`);
}

function authorization(key: string): { authorization: string } {
  return { authorization: `Bearer ${key}` };
}

function needed(key: string | undefined): string {
  if (key === undefined) throw new ConfigError('clients are configured, so a key is needed: --key or REMIT_KEY');
  return key;
}

function devKey(config: Config): string | undefined {
  try {
    return readFileSync(join(config.data, 'dev.key'), 'utf8').trim();
  } catch {
    return undefined;
  }
}
