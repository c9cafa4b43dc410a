/** Opens the listeners of a service: the main one and, where configured, the one for administration. `remit serve` calls it. */
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { buildApp } from './app.js';
import { getListenerUrl } from './listener-url.js';
import type { Listener } from '../config/listener.js';
import { ConfigError } from '../model/faults.js';
import type { RenewableListener } from '../service/reload/apply.js';
import type { Service } from '../service/service.js';

export interface OpenListener extends RenewableListener {
  readonly app: FastifyInstance;
  /** The URL that it listens at; callers may reach it by another name. */
  readonly address: string;
}

export interface OpenListeners {
  readonly main: OpenListener;
  readonly admin: OpenListener | undefined;
  readonly all: readonly OpenListener[];
  readonly close: () => Promise<void>;
}

/** Opens all listeners or none. @throws ConfigError where a port can not be listened on */
export async function openListeners(service: Service, logger?: FastifyBaseLogger): Promise<OpenListeners> {
  const { config } = service;
  const all: OpenListener[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(all.map(({ app }) => app.close()));
  };
  const open = async (listener: Listener, administration: boolean): Promise<OpenListener> => {
    const listening = await openListener(
      listener,
      await buildApp(service, { administration, ...(logger === undefined ? {} : { logger }) }),
    );
    all.push(listening);
    return listening;
  };
  try {
    const main = await open(config, false);
    const admin = config.admin === undefined ? undefined : await open(config.admin, true);
    return { main, admin, all, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openListener(listener: Listener, app: FastifyInstance): Promise<OpenListener> {
  const { host, port } = listener;
  const { level } = app.log;
  try {
    // Fastify would log where it listens; the command says that, behind its welcome.
    if (level === 'info' || level === 'debug') app.log.level = 'warn';
    await app.listen({ host, port });
    app.log.level = level;
  } catch (error) {
    await app.close();
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') throw new ConfigError(`port ${port} is in use; REMIT_PORT chooses another`, host);
    if (code === undefined) throw error;
    throw new ConfigError(`can't listen on port ${port}: ${code}`, host);
  }
  return {
    app,
    listener,
    address: getListenerUrl(app, listener),
    renewCertificates: (tls) => {
      app.transport.renewCertificates(tls);
    },
  };
}
