/** Work that is repeated: one turn at a time, again at once where it is woken, and none after it is stopped. */
import { expect, it } from 'vitest';
import { Fault } from '../../src/model/faults.js';
import { repeat } from '../../src/runtime/repeat.js';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const LONG = { pauseMs: 3_600_000, onFailing: () => undefined };

/** Turns that end when they are told to. */
function controlledWork() {
  const turns: { readonly end: (error?: Error) => void }[] = [];
  const work = () =>
    new Promise<void>((resolve, reject) => {
      turns.push({
        end: (error) => {
          if (error === undefined) resolve();
          else reject(error);
        },
      });
    });
  return { turns, work };
}

it('begins at once, and has one turn at a time however often it is woken', async () => {
  const { turns, work } = controlledWork();
  const repeated = repeat(work, LONG);
  expect(turns).toHaveLength(1);
  for (let i = 0; i < 3; i += 1) repeated.wake();
  expect(turns).toHaveLength(1);
  turns[0]?.end();
  await settle();
  expect(turns).toHaveLength(2);
  turns[1]?.end();
  await settle();
  expect(turns).toHaveLength(2);
  repeated.wake();
  expect(turns).toHaveLength(3);
  const stopped = repeated.stop();
  repeated.wake();
  turns[2]?.end();
  await stopped;
  repeated.wake();
  await settle();
  expect(turns).toHaveLength(3);
});

it('goes on after a fault, which it reports once until a turn succeeds', async () => {
  const { turns, work } = controlledWork();
  const reported: string[] = [];
  const repeated = repeat(work, { ...LONG, onFailing: ({ message }) => reported.push(message) });
  const fault = new Fault('database_unavailable');
  for (const [i, outcome] of [fault, fault, undefined, fault].entries()) {
    turns[i]?.end(outcome);
    await settle();
    repeated.wake();
  }
  expect(reported).toEqual([fault.message, fault.message]);
  expect(turns).toHaveLength(5);
  turns[4]?.end();
  await repeated.stop();
});
