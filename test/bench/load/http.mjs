/**
 * The load: HTTP/1.1 over kept-alive connections, one request at a time on each, the next as soon as the answer is
 * there. It is written on node:net because it shares two cores with what it measures: a full answer costs it 20 to
 * 30 µs where autocannon takes 75 to 80. Besides, it checks every answer and keeps every latency to the microsecond.
 */
import { connect } from 'node:net';

const BODY = Buffer.from('\r\n\r\n');
/** What Remit's answers begin with; the byte after it tells the decision. */
const DECISION = '{"decision":';

/**
 * The bytes of a POST. `expect` is the decision that must be answered; undefined for any 200. `includes` is a text
 * that an answer must have as well, `prefer` the header of that name.
 */
export function post({ port, path, key, body, expect, includes, prefer }) {
  const text = JSON.stringify(body);
  const preferring = prefer === undefined ? '' : `prefer: ${prefer}\r\n`;
  const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${key}\r\n${preferring}content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n`;
  return { bytes: Buffer.from(head + text), expect, includes };
}

/**
 * Sends `requests` round and round for some seconds, or until a number of them is sent.
 * @returns counts, and latencies in milliseconds, sorted
 */
export async function load({ port, requests, connections, seconds = Infinity, answers = Infinity }) {
  const started = performance.now();
  const run = {
    requests,
    answers,
    until: started + seconds * 1000,
    sent: 0,
    latencies: [],
    errors: 0,
    wrong: 0,
    firstProblem: undefined,
  };
  await Promise.all(Array.from({ length: connections }, () => converse(port, run)));
  const elapsed = (performance.now() - started) / 1000;
  const { errors, wrong, firstProblem } = run;
  return {
    perSecond: run.latencies.length / elapsed,
    count: run.latencies.length,
    latencies: Float64Array.from(run.latencies).sort(),
    errors,
    wrong,
    firstProblem,
  };
}

export function percentile(sorted, p) {
  return sorted.length === 0 ? NaN : sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))];
}

/** One caller, until the time is up, on one connection after the other: a server lets go of each after so many requests. */
async function converse(port, run) {
  while (await talk(port, run));
}

/** One connection. One that breaks counts as an error. @returns whether the server has let go of it with its answer */
function talk(port, run) {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    let sent = 0;
    let request;
    let partial;
    let finished = false;

    const finish = (letGo = false) => {
      finished = true;
      socket.destroy();
      resolve(letGo);
    };
    const fail = (what) => {
      if (finished) return;
      run.errors += 1;
      run.firstProblem ??= what;
      finish();
    };
    const send = () => {
      sent = performance.now();
      if (sent >= run.until || run.sent >= run.answers) return finish();
      request = run.requests[run.sent % run.requests.length];
      run.sent += 1;
      socket.write(request.bytes);
      return undefined;
    };
    socket.on('connect', send);
    socket.on('error', (error) => fail(String(error)));
    socket.on('close', () => fail('the connection was closed'));
    socket.on('data', (chunk) => {
      const data = partial === undefined ? chunk : Buffer.concat([partial, chunk]);
      const response = read(data);
      if (response === undefined) {
        partial = data;
        return;
      }
      partial = undefined;
      run.latencies.push(performance.now() - sent);
      judge(response, data, request, run);
      if (response.last) finish(true);
      else send();
    });
  });
}

/** A whole response at the start of `data`; undefined while it isn't all there. */
function read(data) {
  const end = data.indexOf(BODY);
  if (end === -1) return undefined;
  const head = data.latin1Slice(0, end);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  // Without a length nobody can say where it ends: then it counts as whole, and as an error by its status.
  const from = end + BODY.length;
  if (length !== undefined && data.length < from + Number(length)) return undefined;
  const last = /\r\nconnection: close/i.test(head);
  return { status: length === undefined ? 0 : Number(head.slice(9, 12)), from, last };
}

function judge({ status, from }, data, { expect, includes }, run) {
  if (status !== 200) {
    run.errors += 1;
    run.firstProblem ??= `${status}: ${data.toString('utf8', from)}`;
  } else if (
    expect !== undefined &&
    !data.latin1Slice(from, from + DECISION.length + 5).startsWith(`${DECISION}${expect}`)
  ) {
    run.wrong += 1;
    run.firstProblem ??= `expected ${expect}: ${data.toString('utf8', from)}`;
  } else if (includes !== undefined && !data.includes(includes)) {
    run.wrong += 1;
    run.firstProblem ??= `expected ${includes}: ${data.toString('utf8', from)}`;
  }
}
