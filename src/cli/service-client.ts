/** Asking the one service of a data directory: over HTTP where it runs, in this process where it doesn't. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildApp } from '../http/app.js';
import type { Config } from '../config/config.js';
import { displayPath } from '../config/files.js';
import { DirectoryLockedError } from '../runtime/directory-lock.js';
import { ConfigError } from '../model/faults.js';
import { openService, type ServiceOptions } from '../service/service.js';
import { UsageError } from './command.js';

export interface ServiceReply {
  readonly status: number;
  readonly body: unknown;
}

export interface ServiceClient {
  get(path: string): Promise<ServiceReply>;
  post(path: string, body: object): Promise<ServiceReply>;
  close(): Promise<void>;
}

/** @param key of a client; by default the development client's. @throws ConfigError */
export async function openServiceClient(
  config: Config,
  key: string | undefined,
  options: ServiceOptions = {},
): Promise<ServiceClient> {
  try {
    const service = await openService(config, options);
    const app = await buildApp(service);
    process.stderr.write(`remit: no service runs on ${displayPath(config.data)}, so the engines are opened here\n`);
    const credential = key ?? service.devKey;
    const send = async (method: 'GET' | 'POST', url: string, payload?: object): Promise<ServiceReply> => {
      const headers = { host: `127.0.0.1:${config.port}`, ...authorization(requireKey(credential)) };
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
    if (!(error instanceof DirectoryLockedError)) throw error;
    const { url } = error;
    if (url === undefined) throw error; // Another command, or a service that is still starting.
    process.stderr.write(`remit: asking ${url}\n`);
    const send = async (path: string, init: RequestInit): Promise<ServiceReply> => {
      const headers = { 'content-type': 'application/json', ...authorization(requireKey(key ?? readDevKey(config))) };
      const response = await fetch(`${url}${path}`, { ...init, headers }).catch((cause: unknown) => {
        throw new ConfigError(`the service does not answer: ${String((cause as Error).cause ?? cause)}`, url);
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
export function rejectionError({ status, body }: ServiceReply): UsageError {
  const { error } = body as { error?: { message?: string; at?: string } };
  return new UsageError(`${error?.at === undefined ? '' : `${error.at}: `}${error?.message ?? `refused (${status})`}`);
}

function authorization(key: string): { authorization: string } {
  return { authorization: `Bearer ${key}` };
}

function requireKey(key: string | undefined): string {
  if (key === undefined) throw new ConfigError('clients are configured, so a key is needed: --key or REMIT_KEY');
  return key;
}

function readDevKey(config: Config): string | undefined {
  try {
    return readFileSync(join(config.data, 'dev.key'), 'utf8').trim();
  } catch {
    return undefined;
  }
}
