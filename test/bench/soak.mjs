/**
 * `node test/bench/soak.mjs`: whether memory stays where it is. Full decisions for minutes, with writes that drop what is
 * kept, callers who hang up and bodies that are none among them; after each interval what the process holds, garbage
 * collected. The exit code is 1 where an answer was wrong, or the heap of the last third is above that of the second.
 */
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { load, post } from './load.mjs';

const INTERVALS = 12;
const CONNECTIONS = 20;
const RUDE_EVERY_MS = 200;
/** Of the heap, what may come and go between two thirds. */
const TOLERANCE = 1.05;

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '3' } } });
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new Error('--minutes takes a number');

const key = randomBytes(24).toString('base64url');
const directory = mkdtempSync(join(tmpdir(), 'remit-soak-'));
const child = fork(fileURLToPath(new URL('server.mjs', import.meta.url)), [directory, key, '1', 'decisions'], {
  execArgv: ['--expose-gc'],
});
const waiting = new Map();
child.on('message', ({ id, value, error }) => {
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  if (error === undefined) resolve(value);
  else reject(new Error(error));
});
child.on('exit', () => {
  for (const { reject } of waiting.values()) reject(new Error('the server ended'));
});
let next = 0;
const call = (method, argument) =>
  new Promise((resolve, reject) => {
    next += 1;
    waiting.set(next, { resolve, reject });
    child.send({ id: next, method, argument });
  });

const problems = [];
try {
  const { port, questions } = await call('ready');
  const requests = questions.asked.map((q) => post({ port, path: '/access/v1/evaluation', key, ...q }));
  await call('cold', true);
  const rude = setInterval(() => misbehave(port, requests[0].bytes), RUDE_EVERY_MS);
  const heaps = [];
  let count = 0;
  let late = 0;
  process.stdout.write('  minutes  decisions    late  heap MB  external MB   RSS MB\n');
  for (let i = 1; i <= INTERVALS; i += 1) {
    const run = await load({ port, requests, connections: CONNECTIONS, seconds: (minutes * 60) / INTERVALS });
    // A machine that others use makes some late: those are said, and only a wrong answer is a failure.
    late += run.errors;
    if (run.wrong > 0) problems.push(`${run.wrong} wrong answers: ${run.firstProblem}`);
    count += run.count;
    const { heapUsed, external, rss } = await call('memory');
    heaps.push(heapUsed);
    const mb = (bytes) => (bytes / 2 ** 20).toFixed(1);
    const row = [((minutes * i) / INTERVALS).toFixed(1), count, late, mb(heapUsed), mb(external), mb(rss)];
    process.stdout.write(`${row.map((cell, at) => String(cell).padStart([9, 11, 8, 9, 13, 9][at])).join('')}\n`);
  }
  clearInterval(rude);
  const third = INTERVALS / 3;
  const lowest = (from) => Math.min(...heaps.slice(from, from + third));
  if (lowest(2 * third) > lowest(third) * TOLERANCE) problems.push('the heap grows');
  await call('cold', false);
  await call('close');
} finally {
  child.kill();
  rmSync(directory, { recursive: true, force: true });
}
for (const problem of problems) process.stdout.write(`FAILED: ${problem}\n`);
if (problems.length > 0) process.exitCode = 1;

/** Asks and doesn't wait, begins and doesn't go on, sends what is none. */
function misbehave(port, whole) {
  const half = whole.subarray(0, whole.length - 20);
  const junk = Buffer.from(whole.toString().replace(/\r\n\r\n\{/, '\r\n\r\n['));
  for (const bytes of [whole, half, junk]) {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes, () => setTimeout(() => socket.destroy(), 5)));
    socket.on('error', () => undefined);
  }
}
