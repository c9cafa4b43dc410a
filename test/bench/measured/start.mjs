/** Starts the process that is measured, and calls its methods. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** @param directory with a configuration @returns `call(method, argument)`, the process's id, and its end */
export function startMeasured(directory) {
  // As the image runs it.
  const execArgv = ['--max-semi-space-size=32'];
  const child = fork(fileURLToPath(new URL('process.mjs', import.meta.url)), [directory], { execArgv });
  const waiting = new Map();
  let next = 0;
  child.on('message', ({ id, value, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(value);
    else reject(new Error(error));
  });
  const ended = new Promise((resolve) => {
    child.on('exit', (code, signal) => {
      for (const { reject } of waiting.values()) reject(new Error(`what is measured has ended (${signal ?? code})`));
      if (code !== 0) process.exitCode = 1;
      resolve();
    });
  });
  const call = (method, argument) =>
    new Promise((resolve, reject) => {
      next += 1;
      waiting.set(next, { resolve, reject });
      child.send({ id: next, method, argument }, (error) => (error === null ? undefined : reject(error)));
    });
  // Its end makes every call fail, and so leads to where all else is ended.
  const kill = () => child.kill();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, kill);
  const close = async () => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, kill);
    await call('close').catch((error) => {
      process.exitCode = 1;
      child.kill();
      process.stderr.write(`bench: what is measured did not close: ${error.message}\n`);
    });
    if (child.connected) child.disconnect();
    await ended;
  };
  return { call, pid: child.pid, close };
}
