/** What processes use, from /proc: CPU and memory of each and of its children. Linux only. */
import { readdirSync, readFileSync } from 'node:fs';

/** The kernel's USER_HZ, which is 100 on every platform that Node.js runs on. */
const TICK_MICROSECONDS = 10_000;
const PAGE_BYTES = 4096;

/**
 * Of a process and everything below it.
 * @returns CPU in microseconds since they started, of children that ended too; resident memory in bytes, what they share
 *   counted once where the kernel tells it apart
 */
export function usageOf(pid) {
  let cpu = 0;
  let memory = 0;
  for (const one of [pid, ...descendants(pid)]) {
    const stat = read(`/proc/${one}/stat`);
    const rollup = read(`/proc/${one}/smaps_rollup`);
    if (stat === undefined) continue;
    // The name in parentheses may hold anything; what follows it is numbers, the first of them the third field.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = fields.slice(11, 15).map(Number);
    cpu += ticks.reduce((sum, t) => sum + t, 0) * TICK_MICROSECONDS;
    const proportional = /^Pss:\s+(\d+) kB/m.exec(rollup ?? '')?.[1];
    memory += proportional === undefined ? Number(fields[21]) * PAGE_BYTES : Number(proportional) * 1024;
  }
  return { cpu, memory };
}

function descendants(pid) {
  const parents = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = read(`/proc/${name}/stat`);
    if (stat !== undefined) parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  }
  const found = [];
  const open = [pid];
  for (let at = open.pop(); at !== undefined; at = open.pop())
    for (const [child, parent] of parents)
      if (parent === at) {
        found.push(child);
        open.push(child);
      }
  return found;
}

/** Undefined where the process has ended meanwhile. */
function read(path) {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}
