/**
 * Lists on servers: the filter beside SpiceDB's bulk check of the same records, and the search beside its LookupResources,
 * in turns, with and without writes. Both are asked by HTTP, one at a time.
 */
import { bulkCheck, lookup } from '../load/bare-http.mjs';
import { LISTERS, LISTING_AGENT, reaches, records } from '../worlds/lists.mjs';

/** Of the records the lister reaches half. */
export const LISTED = 1000;
const SHARE = 50;
const REACHED = records(0, LISTED).filter((_, i) => reaches(SHARE, i)).length;
const TIMES = 15;
const WARM_UP = 4;

/**
 * @param usage gives the CPU that all processes have used, in microseconds
 * @param problem takes what went wrong
 * @returns for each way a median in milliseconds and CPU, with and without writes
 */
export async function measureServerLists({ remit, servers, key, issuer, usage, problem }) {
  const user = LISTERS[SHARE];
  const listed = records(0, LISTED);
  const asked = {
    subject: { type: 'user', id: user },
    action: { name: 'read' },
    context: { token: await issuer.mint(user, LISTING_AGENT) },
  };
  const view = { user, permission: 'view', type: 'employee' };
  const call = async ({ port, key: secret }, [path, body], count) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (response.status !== 200 || count(text) !== REACHED)
      problem(`${path}: ${response.status} ${text.slice(0, 300)}`);
  };
  const [us, spicedb] = [
    { port: remit.port, key },
    { port: servers.spicedb.httpPort, key: servers.spicedb.key },
  ];
  const occurrences = (part) => (text) => text.split(part).length - 1;
  const ways = {
    'SpiceDB: bulk check of 1,000': [spicedb, bulkCheck({ ...view, ids: listed.map(({ id }) => id) }), occurrences('HAS_PERMISSION')],
    'filter of 1,000': [us, ['/v1/filter', { ...asked, records: listed }], (text) => JSON.parse(text).records?.length],
    'SpiceDB: LookupResources of 500': [spicedb, lookup(view), occurrences('"resourceObjectId"')],
    'search of 500': [us, ['/access/v1/search/resource', { ...asked, resource: { type: 'employee' }, page: { limit: LISTED } }], (text) => JSON.parse(text).results?.length],
  }; // prettier-ignore

  const rows = [];
  for (const cold of [false, true]) {
    await remit.call('cold', cold);
    const measured = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
    for (let i = 0; i < WARM_UP; i += 1) for (const way of Object.values(ways)) await call(...way);
    for (let i = 0; i < TIMES; i += 1)
      for (const [name, way] of Object.entries(ways)) {
        const [began, before] = [performance.now(), usage()];
        await call(...way);
        measured[name].push({ ms: performance.now() - began, cpu: usage() - before });
      }
    for (const [name, all] of Object.entries(measured)) {
      const cpu = all.reduce((sum, one) => sum + one.cpu, 0) / all.length;
      rows.push({ name, cold, ms: median(all.map(({ ms }) => ms)), cpu });
    }
  }
  await remit.call('cold', false);
  return rows;
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
