/**
 * The client by which commands use the one service of a data directory: over HTTP where it runs, and in this process
 * where it doesn't.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildApp } from '../http/app.js';
import type { Config } from '../config/config.js';
import { displayPath } from '../config/files.js';
import { DirectoryLockedError } from '../runtime/directory-lock.js';
import { ConfigError } from '../model/faults.js';
import { MAX_RECORD_DEPTH, parseStrictJson } from '../runtime/strict-json.js';
import { openService } from '../service/service.js';
import { findHolderAddress } from './holder-address.js';
import { UsageError } from './command/usage-error.js';

export interface ServiceReply {
  readonly status: number;
  readonly text: string;
}

export interface ServiceClient {
  get(path: string): Promise<ServiceReply>;
  post(path: string, body: object): Promise<ServiceReply>;
  close(): Promise<void>;
}

/** Runs the work with a client, which is closed at its end. See {@link openServiceClient}. */
export async function withServiceClient<T>(
  config: Config,
  key: string | undefined,
  work: (client: ServiceClient) => Promise<T>,
): Promise<T> {
  const client = await openServiceClient(config, key);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

/**
 * @param key of a client of the service; by default REMIT_KEY, or the development client's
 * @throws ConfigError where the service can't be opened or doesn't answer, or where a key is needed and there is none;
 * DirectoryLockedError where the process that holds the directory is no service
 */
export async function openServiceClient(
  config: Config,
  key: string | undefined = config.clientKey,
): Promise<ServiceClient> {
  try {
    return await openInProcess(config, key);
  } catch (error) {
    if (!(error instanceof DirectoryLockedError)) throw error;
    const address = await findHolderAddress(config.data, error);
    // Without an address it is another command, or a service that is still starting.
    if (address === undefined) throw error;
    return connectOverHttp(address, key ?? readDevKey(config));
  }
}

async function openInProcess(config: Config, key: string | undefined): Promise<ServiceClient> {
  const service = await openService(config);
  const app = await buildApp(service);
  process.stderr.write(`remit: no service runs on ${displayPath(config.data)}, so the engines are opened here\n`);
  const send = async (method: 'GET' | 'POST', url: string, payload?: object): Promise<ServiceReply> => {
    const headers = { host: `127.0.0.1:${config.port}`, authorization: bearer(key ?? service.devKey) };
    const response = await app.inject({ method, url, headers, ...(payload === undefined ? {} : { payload }) });
    return { status: response.statusCode, text: response.payload };
  };
  return {
    get: (path) => send('GET', path),
    post: (path, body) => send('POST', path, body),
    close: async () => {
      await app.close();
      await service.close();
    },
  };
}

function connectOverHttp(url: string, key: string | undefined): ServiceClient {
  process.stderr.write(`remit: asking ${url}\n`);
  const send = async (path: string, init: RequestInit): Promise<ServiceReply> => {
    const headers = { 'content-type': 'application/json', authorization: bearer(key) };
    const response = await fetch(`${url}${path}`, { ...init, headers, redirect: 'error' }).catch((error: unknown) => {
      throw new ConfigError(`the service does not answer: ${String((error as Error).cause ?? error)}`, url);
    });
    return { status: response.status, text: await response.text() };
  };
  return {
    get: (path) => send(path, {}),
    post: (path, body) => send(path, { method: 'POST', body: JSON.stringify(body) }),
    close: () => Promise.resolve(),
  };
}

/** The JSON of a reply, whatever its status. */
export function parseReply({ text }: ServiceReply): unknown {
  return parseStrictJson(text, MAX_RECORD_DEPTH);
}

/** The JSON of a 200. @throws UsageError with what the service says is wrong with the request */
export function acceptedBody(reply: ServiceReply): unknown {
  if (reply.status !== 200) throw rejectionError(reply);
  return parseReply(reply);
}

/** The same of an answer with values of records. @throws UsageError, which says what the key lacks where it may not read them */
export function acceptedValues(reply: ServiceReply): unknown {
  if (reply.status !== 403) return acceptedBody(reply);
  const { error } = parseReply(reply) as { error?: { at?: string } };
  if (error?.at !== 'values') throw rejectionError(reply);
  throw new UsageError('this key may not read values: add read_values to the `may` of its client');
}

/** The text of a 200, where it isn't JSON. @throws UsageError with what the service says is wrong with the request */
export function acceptedText(reply: ServiceReply): string {
  if (reply.status !== 200) throw rejectionError(reply);
  return reply.text;
}

/** The error of a refused request: the service's message, with the place in the request. */
export function rejectionError(reply: ServiceReply): UsageError {
  const { error } = parseReply(reply) as { error?: { message?: string; at?: string } };
  const place = error?.at === undefined ? '' : `${error.at}: `;
  return new UsageError(`${place}${error?.message ?? `the service refuses the request (${reply.status})`}`);
}

/** @throws ConfigError where there is no key */
function bearer(key: string | undefined): string {
  if (key === undefined) throw new ConfigError('clients are configured, so a key is needed: --key or REMIT_KEY');
  return `Bearer ${key}`;
}

/** The development client's key; undefined where the data directory has none. */
function readDevKey(config: Config): string | undefined {
  try {
    return readFileSync(join(config.data, 'dev.key'), 'utf8').trim();
  } catch {
    return undefined;
  }
}
