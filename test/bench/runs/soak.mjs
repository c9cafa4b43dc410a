/**
 * `npm run bench -- --soak MINUTES`: whether memory stays where it is. Full decisions, with writes that drop what is kept,
 * callers who hang up and bodies that are none among them; after each interval what the process holds, garbage collected.
 */
import { connect } from 'node:net';
import { writeConfiguration } from '../engines/configuration.mjs';
import { load, post } from '../load/http.mjs';
import { startMeasured } from '../measured/start.mjs';
import { table } from '../report/table.mjs';
import { makeWorld } from '../worlds/company.mjs';
import { makeIssuer } from '../worlds/issuer.mjs';
import { bodiesOf } from '../worlds/questions.mjs';

const WORLD = { relationships: 2000, questions: 1000 };
const POLICIES = 100;
const INTERVALS = 12;
const CONNECTIONS = 20;
const RUDE_EVERY_MS = 200;
/** Of the heap, what may come and go between two thirds. */
const TOLERANCE = 1.05;

/** @returns lines to print, and what went wrong: a wrong answer, or a heap that is larger in the last third than in the second */
export async function soak(directory, { key, seed, minutes }) {
  const world = makeWorld({ ...WORLD, seed });
  const issuer = await makeIssuer();
  writeConfiguration(directory, { key, issuer, policies: POLICIES, world });
  const questions = await bodiesOf(world.questions, issuer);
  const measured = startMeasured(directory);
  try {
    return await measure(measured, { key, questions, minutes });
  } finally {
    await measured.close();
  }
}

async function measure(measured, { key, questions, minutes }) {
  const { port } = await measured.call('ready');
  const requests = questions.asked.map((q) => post({ port, path: '/access/v1/evaluation', key, ...q }));
  await measured.call('cold', true);
  const rude = setInterval(() => misbehave(port, requests[0].bytes), RUDE_EVERY_MS);
  const problems = [];
  const rows = [];
  const heaps = [];
  let count = 0;
  let late = 0;
  for (let i = 1; i <= INTERVALS; i += 1) {
    const run = await load({ port, requests, connections: CONNECTIONS, seconds: (minutes * 60) / INTERVALS });
    // A machine that others use makes some late: those are said, and only a wrong answer is a failure.
    late += run.errors;
    if (run.wrong > 0) problems.push(`${run.wrong} wrong answers: ${run.firstProblem}`);
    count += run.count;
    const { heapUsed, external, rss } = await measured.call('memory');
    heaps.push(heapUsed);
    const mb = (bytes) => (bytes / 2 ** 20).toFixed(1);
    rows.push([
      ((minutes * i) / INTERVALS).toFixed(1),
      String(count),
      String(late),
      mb(heapUsed),
      mb(external),
      mb(rss),
    ]);
  }
  clearInterval(rude);
  await measured.call('cold', false);
  const third = INTERVALS / 3;
  const lowest = (from) => Math.min(...heaps.slice(from, from + third));
  if (lowest(2 * third) > lowest(third) * TOLERANCE) problems.push('the heap grows');
  return {
    lines: [...table(['minutes', 'decisions', 'late', 'heap MB', 'external MB', 'RSS MB'], rows), ''],
    problems,
  };
}

/** Asks and doesn't wait, begins and doesn't go on, sends what is none. */
function misbehave(port, whole) {
  const half = whole.subarray(0, whole.length - 20);
  const junk = Buffer.from(whole.toString().replace(/\r\n\r\n\{/, '\r\n\r\n['));
  for (const bytes of [whole, half, junk]) {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes, () => setTimeout(() => socket.destroy(), 5)));
    socket.on('error', () => undefined);
  }
}
