/** The main thread by samples: which part of Remit it works for, and in which functions. */
import { Session } from 'node:inspector/promises';

const SAMPLE_MICROSECONDS = 250;

/** What a file works for: the innermost frame that is listed decides, so zod called by the token's reader is zod. */
const PARTS = [
  ['Cedar', /cedar-wasm|dist\/policy\/cedar\.js/],
  ['Cedar requests', /dist\/(policy\/|decide\/ask-cedar)/],
  ['token', /dist\/(tokens\/|decide\/steps\/token)|node_modules\/jose\//],
  ['relationship checks', /dist\/graph\//],
  ['entity lookup', /dist\/store\/entities\.js/],
  ['record', /dist\/store\/(decisions|record-backlog|record-queue)\.js|dist\/store\/database\//],
  ['messages to threads', /dist\/runtime\/worker-thread\.js|messageport|internal\/worker/],
  ['strict JSON', /dist\/runtime\/strict-json\.js|node_modules\/jsonc-parser\//],
  ['zod', /node_modules\/zod\//],
  ['HTTP edge of Remit', /dist\/http\//],
  ['steps and answer', /dist\/|node_modules\/uuid\//],
  ['measuring', /test\/bench\//],
];

export async function startProfile() {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_MICROSECONDS });
  await session.post('Profiler.start');
  return async () => {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    return profile;
  };
}

/** Microseconds by part and by function, greatest first. */
export function summarize(profile) {
  const nodes = new Map(profile.nodes.map((node) => [node.id, { ...node, parent: undefined }]));
  for (const node of nodes.values()) for (const child of node.children ?? []) nodes.get(child).parent = node;
  const parts = new Map();
  const functions = new Map();
  const add = (map, name, us) => map.set(name, (map.get(name) ?? 0) + us);
  for (const [i, id] of profile.samples.entries()) {
    const node = nodes.get(id);
    const us = profile.timeDeltas[i];
    add(parts, partOf(node), us);
    add(functions, placeOf(node.callFrame), us);
  }
  const sorted = (map) => [...map].map(([name, us]) => ({ name, us })).sort((a, b) => b.us - a.us);
  return { parts: sorted(parts), functions: sorted(functions) };
}

function partOf(leaf) {
  const { functionName } = leaf.callFrame;
  const engines = {
    '(garbage collector)': 'garbage collection',
    '(idle)': 'idle',
    '(program)': 'native code outside JavaScript',
  };
  if (Object.hasOwn(engines, functionName)) return engines[functionName];
  for (let node = leaf; node !== undefined; node = node.parent) {
    const part = PARTS.find(([, files]) => files.test(node.callFrame.url));
    if (part !== undefined) return part[0];
  }
  // Node's own files and Fastify's, on nobody else's behalf.
  return 'HTTP server';
}

function placeOf({ functionName, url, lineNumber }) {
  const file = url.replace(/^.*\/(?=dist\/|node_modules\/|test\/)/, '');
  return `${functionName || '(anonymous)'}${file === '' ? '' : ` ${file}:${lineNumber + 1}`}`;
}
